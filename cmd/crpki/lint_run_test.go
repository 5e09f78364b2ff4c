package main

import (
	"context"
	"iter"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInOrder: results come in the order of the jobs, few jobs wait, and an
// error or a signal ends them all.
func TestInOrder(t *testing.T) {
	var begun atomic.Int64
	jobs := func(n int) iter.Seq[func() int] {
		return func(yield func(func() int) bool) {
			for i := range n {
				begun.Add(1)
				if !yield(func() int { runtime.Gosched(); return i }) {
					return
				}
			}
		}
	}
	next := 0
	require.NoError(t, inOrder(context.Background(), jobs(10_000), func(i int) error {
		assert.Equal(t, next, i)
		next++
		assert.Less(t, begun.Load()-int64(i), int64(16*runtime.GOMAXPROCS(0)), "jobs in memory")
		return nil
	}))
	assert.Equal(t, 10_000, next)

	begun.Store(0)
	assert.ErrorIs(t, inOrder(context.Background(), jobs(1_000_000), func(int) error { return os.ErrClosed }), os.ErrClosed)
	assert.Less(t, begun.Load(), int64(1000), "none is begun after an error")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, inOrder(ctx, jobs(1_000_000), func(int) error { return nil }), context.Canceled)
}
