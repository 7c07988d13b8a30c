//go:build unix

package source

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipe checks that Files refuses a pipe. The first bytes of a file are read
// several times, and a pipe returns each byte only once.
func TestPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	writer, err := os.OpenFile(pipe, os.O_RDWR, 0) // so that a reader's open call returns
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	if _, err := writer.WriteString(strings.Repeat("line\n", 1000)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, t.TempDir()} {
		if _, err := (&files{paths: []string{path}, maxLine: 100}).Open(t.Context(), Shard{0, 1}, nil); !errors.Is(err, errNotRegular) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}
