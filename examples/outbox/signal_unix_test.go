//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestTerminated checks that SIGTERM ends the program in order. The program
// removes the temporary folder after the end of its worker.
func TestTerminated(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, "--orders", "1000000", "--kills", "0")
	var out bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), programEnv+"=1", "TMPDIR="+dir), &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for started := []string(nil); len(started) == 0; time.Sleep(10 * time.Millisecond) {
		if started, err = filepath.Glob(filepath.Join(dir, "outbox*", "shop.db")); err != nil || t.Context().Err() != nil {
			t.Fatal(err, t.Context().Err())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); !errors.As(err, new(*exec.ExitError)) || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%v\n%s", err, &out)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the program left %v, %v", left, err)
	}
}
