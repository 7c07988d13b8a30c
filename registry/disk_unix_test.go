//go:build unix

package registry_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/avroline/avroline/registry"
)

// cachedID fills a new disk cache with the schema of id 1. cachedID returns the
// folder, the registry's folder in the folder, and the file of the schema.
func cachedID(t *testing.T, url string) (dir, inner, file string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "cache")
	if _, err := newClient(t, []string{url}, registry.WithDiskCache(dir)).SchemaByID(context.Background(), "", 1); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "id-*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	return dir, filepath.Dir(files[0]), files[0]
}

// chownOther gives a file to another user. Only root can give a file away.
func chownOther(t *testing.T, name string) {
	t.Helper()
	err := os.Lchown(name, 65534, 65534)
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("only root can give a file to another user")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDiskCacheOfAnotherUser checks the permissions of the cache. A checksum
// has no key, so only the permissions prevent another local user from writing a
// false schema for an id.
func TestDiskCacheOfAnotherUser(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	mode := func(mode fs.FileMode) func(t *testing.T, name string) {
		return func(t *testing.T, name string) {
			t.Helper()
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	link := func(t *testing.T, name string) {
		t.Helper()
		if err := os.Rename(name, name+"-moved"); err != nil {
			t.Fatal(err)
		}
		chownOther(t, name+"-moved")
		if err := os.Symlink(name+"-moved", name); err != nil {
			t.Fatal(err)
		}
	}
	folders := []struct {
		name   string
		change func(t *testing.T, folder string)
		reason string // "" if the folder is used
	}{
		{"control", mode(0o700), ""},
		{"others may read", mode(0o755), ""},
		{"all may write", mode(0o777), "other users may write it"},
		{"a folder such as tmp", mode(0o777 | fs.ModeSticky), "other users may write it"},
		{"the group may write", mode(0o770), "other users may write it"},
		{"another owner", chownOther, "it belongs to another user"},
		{"a link to another owner's", link, "it belongs to another user"},
	}
	for _, c := range folders {
		for _, which := range []string{"the folder", "the registry's folder"} {
			t.Run(which+": "+c.name, func(t *testing.T) {
				t.Parallel()
				dir, inner, _ := cachedID(t, s.URL)
				changed := dir
				if which != "the folder" {
					changed = inner
				}
				c.change(t, changed)
				client, err := registry.New([]string{s.URL}, registry.WithDiskCache(dir))
				if err == nil {
					_ = client.Close()
				}
				switch {
				case c.reason == "" && err != nil:
					t.Error(err)
				case c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason) || !strings.Contains(err.Error(), changed)):
					t.Errorf("got %v, want %q about %s", err, c.reason, changed)
				}
			})
		}
	}
	files := []struct {
		name   string
		change func(t *testing.T, file string)
		used   bool
	}{
		{"control", mode(0o600), true},
		{"others may read", mode(0o644), true},
		{"all may write", mode(0o666), false},
		{"the group may write", mode(0o660), false},
		{"another owner", chownOther, false},
		{"a link to another owner's", link, false},
		{"a folder", func(t *testing.T, file string) {
			t.Helper()
			if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, false},
	}
	for _, c := range files {
		t.Run("a file: "+c.name, func(t *testing.T) {
			t.Parallel()
			own := startSeeded(t)
			dir, _, file := cachedID(t, own.URL)
			c.change(t, file)
			var log syncBuffer
			client := newClient(t, []string{own.URL}, registry.WithDiskCache(dir), registry.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			own.ResetLog()
			if v, err := client.SchemaByID(context.Background(), "", 1); err != nil || v.Schema != orderV1 {
				t.Fatalf("%q, %v", v.Schema, err)
			}
			if used := own.Requests() == 0; used != c.used {
				t.Errorf("the file was used: %v, want %v", used, c.used)
			}
			if said := strings.Contains(log.String(), "registry_disk_cache_ignored"); said == c.used {
				t.Errorf("log:\n%s", log.String())
			}
		})
	}
}
