package registry_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/avroline/avroline/registry"
)

// withoutRoot runs f without root's right to write everywhere. f may look
// through the folder parent.
func withoutRoot(t *testing.T, parent string, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setfsuid(0)
	f()
}

// TestDiskCacheReadOnly checks that the client reads a folder that it cannot
// write, and logs a single line.
func TestDiskCacheReadOnly(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := startSeeded(t)
	dir := t.TempDir()
	if _, err := newClient(t, []string{s.URL}, registry.WithDiskCache(dir)).SchemaByID(ctx, "", 1); err != nil {
		t.Fatal(err)
	}
	folders, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range append(folders, dir) {
		if err := os.Chmod(f, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(f, 0o755)
	}
	open := func(url string, opts ...registry.Option) (c *registry.Client) {
		t.Helper()
		withoutRoot(t, filepath.Dir(dir), func() { c = newClient(t, []string{url}, append(opts, registry.WithDiskCache(dir))...) })
		return c
	}
	s.ResetLog()
	var log syncBuffer
	c := open(s.URL, registry.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	for id := 1; id <= 3; id++ {
		if _, err := c.SchemaByID(ctx, "", id); err != nil {
			t.Error(err)
		}
	}
	if s.Requests() != 2 || strings.Count(log.String(), "registry_disk_cache_read_only") != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("%d requests, want 2, and one line:\n%s", s.Requests(), log.String())
	}
	// Another registry has no files there, and the client cannot write any.
	other := startSeeded(t)
	if _, err := open(other.URL).SchemaByID(ctx, "", 1); err != nil {
		t.Error(err)
	}
}
