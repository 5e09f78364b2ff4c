// Command cripull asks a container runtime to pull images, as the kubelet
// would: over the CRI's gRPC. It reads one image reference a line and answers
// each with a line of JSON; so one process serves many pulls.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// answer is what became of one pull. Error is the text without gRPC's prefix.
type answer struct {
	Image string `json:"image,omitempty"`
	Error string `json:"error,omitempty"`
	Code  string `json:"code,omitempty"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: cripull unix:///path/to/socket < references")
		os.Exit(2)
	}
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "cripull:", err)
		os.Exit(1)
	}
}

func serve(target string) error {
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	images := runtime.NewImageServiceClient(conn)
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := out.Encode(pull(images, lines.Text())); err != nil {
			return err
		}
	}
	return lines.Err()
}

// pull waits for the CRI plugin, which starts after the daemon answers.
func pull(images runtime.ImageServiceClient, ref string) answer {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		r, err := images.PullImage(ctx, &runtime.PullImageRequest{Image: &runtime.ImageSpec{Image: ref}},
			grpc.WaitForReady(true))
		if err == nil {
			return answer{Image: r.ImageRef}
		}
		s := status.Convert(err)
		if !strings.Contains(s.Message(), "server is not initialized yet") || ctx.Err() != nil {
			return answer{Error: s.Message(), Code: s.Code().String()}
		}
		time.Sleep(20 * time.Millisecond)
	}
}
