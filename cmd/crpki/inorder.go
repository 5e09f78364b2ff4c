package main

import (
	"context"
	"iter"
	"runtime"
)

// inOrder runs jobs on all processors and hands on their results in the order
// of the jobs. Only a few are in memory at a time, however many there are. The
// first error of take ends it. A quick command calls [env.settle] before.
func inOrder[T any](ctx context.Context, jobs iter.Seq[func() T], take func(T) error) error {
	return inOrderBy(ctx, runtime.GOMAXPROCS(0), jobs, take)
}

// inOrderBy is inOrder with so many workers, for jobs that wait more than they
// compute.
func inOrderBy[T any](ctx context.Context, workers int, jobs iter.Seq[func() T], take func(T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	pending := make(chan chan T, 8*workers)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		defer close(pending)
		tasks := make(chan func())
		defer close(tasks)
		for job := range jobs {
			result := make(chan T, 1)
			select {
			case pending <- result:
			case <-ctx.Done():
				return
			}
			task := func() { result <- job() }
			if workers > 0 {
				select {
				case tasks <- task: // somebody waits for work
				default:
					workers--
					go work(task, tasks)
				}
			} else {
				tasks <- task
			}
		}
	}()
	defer func() {
		cancel()
		for range pending { // frees the producer
		}
		<-stopped
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case result, more := <-pending:
			if !more {
				return ctx.Err()
			}
			select {
			case r := <-result:
				if err := take(r); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// work does one task after another: a goroutine that stays has its stack
// already.
func work(task func(), more <-chan func()) {
	for ok := true; ok; task, ok = <-more {
		task()
	}
}
