//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/registrytest"
)

// TestInterruptedPipe checks that an interruption ends the wait for a pipe
// without a writer. With --resume a pipe is refused.
func TestInterruptedPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	in, err := openInputs([]string{pipe}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	go interrupt()
	for l, err := range in.lines(ctx) {
		t.Error(l, err)
	}
	o, err := parseOptions([]string{"--quiet", "--resume", "--send", "transaction", "--brokers", "127.0.0.1:1", "--registry", "http://127.0.0.1:1", pipe}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a pipe was resumed: %v", err)
	}
}

// TestSecondSignal checks that the first signal makes the program wait for the
// outcomes, and that the second signal ends the program.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("clicks", 1))
	refused := b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	cmd, _, _ := program(t, "--quiet", "--brokers", b.Addrs()[0], "--registry", registrytest.Start(t).URL, "--input", "-", "--rejects", filepath.Join(t.TempDir(), "rejects"))
	cmd.Stderr = nil
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := writeSample(stdin, 100, 1); err != nil {
		t.Fatal(err)
	}
	if err := refused.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	text, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil || !strings.Contains(text, "interrupted") {
		t.Fatalf("%q, %v", text, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exit := new(exec.ExitError)
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Error(fmt.Errorf("want an end by the signal: %w", err))
	}
}
