package source

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOtherFormats checks that Files refuses files that have no lines of text,
// for example logs that logrotate has compressed with another program.
func TestOtherFormats(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log.1")
	open := func(content string) error {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := (&files{paths: []string{path}, maxLine: 100}).Open(t.Context(), Shard{0, 1}, nil)
		return err
	}
	for want, content := range map[string]string{
		"zstd":     "\x28\xb5\x2f\xfd\x04\x00\x31\x00\x00line\n",
		"xz":       "\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46",
		"bzip2":    "BZh11AY&SY\x6f\x1f\n",
		"lz4":      "\x04\x22\x4d\x18\x64\x40",
		"compress": "\x1f\x9d\x90\x6c",
		"zip":      "PK\x03\x04\x14\x00",
		"UTF-16":   "\xff\xfel\x00i\x00n\x00e\x00\n\x00",
	} {
		if err := open(content); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	for _, content := range []string{"", "\x1f", "BZh9 is a word\n", "PK\n", "\xef\xbb\xbfwith a byte order mark of UTF-8\n"} {
		if err := open(content); err != nil {
			t.Errorf("%q: %v", content, err)
		}
	}
}

// TestDamagedGzip reads compressed files that are not complete or not correct.
// The error names the file and says what to do, and is not the end of the file.
func TestDamagedGzip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := rand.Text() // cannot be compressed
	for len(text) < 3*maxHead {
		text += rand.Text() + "\n"
	}
	whole, err := os.ReadFile(writeFile(t, dir, "whole.gz", text))
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)-6]++ // the checksum
	for name, test := range map[string]struct {
		content []byte
		want    string
	}{
		"header":        {whole[:5], "incomplete"},
		"first lines":   {whole[:300], "incomplete"},
		"later lines":   {whole[:len(whole)-20], "incomplete"},
		"checksum":      {changed, "damaged"},
		"trailing zero": {append(bytes.Clone(whole), make([]byte, 512)...), "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := (&files{paths: []string{path}, maxLine: 100}).Open(t.Context(), Shard{0, 1}, nil)
			for ok := true; ok && err == nil; {
				ok, err = r.Next(t.Context(), new(Item[Line]))
			}
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "the file is "+test.want) || !strings.Contains(err.Error(), "zcat") {
				t.Errorf("got %v", err)
			}
		})
	}
}
