// Command image36 pulls a manifest by containers/image 5.36 and says what that
// says.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containers/image/v5/docker"
)

func main() {
	if err := pull(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func pull(name string) error {
	ref, err := docker.ParseReference("//" + name)
	if err != nil {
		return err
	}
	source, err := ref.NewImageSource(context.Background(), nil)
	if err != nil {
		return err
	}
	defer source.Close()
	_, _, err = source.GetManifest(context.Background(), nil)
	return err
}
