package source

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
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
		"tar":      "access.log" + strings.Repeat("\x00", 247) + "ustar\x0000" + strings.Repeat("\x00", 248) + "line\n",
	} {
		for _, content := range []string{content, gzipped(t, content)} {
			if err := open(content); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: got %v", want, err)
			}
		}
	}
	if err := open(gzipped(t, gzipped(t, "line\n"))); err == nil || !strings.Contains(err.Error(), "compressed twice") {
		t.Errorf("got %v", err)
	}
	for _, content := range []string{"", "\x1f", "BZh9 is a word\n", "PK\n", "\xef\xbb\xbfwith a byte order mark of UTF-8\n"} {
		if err := open(content); err != nil {
			t.Errorf("%q: %v", content, err)
		}
	}
}

// TestDamagedGzip reads compressed files that are not complete or not correct.
// The error names the file and says what to do, and is not the end of the file.
// The lines of the file before are committed. The lines of an incomplete file
// are committed too. A damaged file gives no line, because the checksum comes
// after the lines.
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
	before := writeFile(t, dir, "before", "one\ntwo\n")
	changed := bytes.Clone(whole)
	changed[len(changed)-6]++ // the checksum
	many := strings.Count(text, "\n")
	for name, test := range map[string]struct {
		content []byte
		want    string
		lines   int // the lines that can be read, 0 if the files are not matched
		rest    int // the lines of the text that may be missing
	}{
		"header":        {whole[:5], "incomplete", 0, 0},
		"first lines":   {whole[:300], "incomplete", 0, 0},
		"later lines":   {whole[:len(whole)-20], "incomplete", 2 + many, 5},
		"checksum":      {changed, "damaged", 2, 0},
		"trailing zero": {append(bytes.Clone(whole), make([]byte, 512)...), "damaged", 2 + many, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			input := &files{paths: []string{before, path}, maxLine: 100}
			r, err := input.Open(t.Context(), Shard{0, 1}, nil)
			read := 0
			for ok := true; ok && err == nil; {
				if ok, err = r.Next(t.Context(), new(Item[Line])); ok {
					read++
				}
			}
			if read < test.lines-test.rest || read > test.lines {
				t.Errorf("%d lines can be committed, want %d", read, test.lines)
			}
			if test.lines > 0 { // commit, and go on
				if err != nil {
					t.Fatalf("the lines before the error are not committed: %v", err)
				}
				lines := int64(0)
				for _, p := range r.Positions() {
					at, err := parseFilePosition(p)
					if err != nil {
						t.Fatal(err)
					}
					lines += at.Lines
				}
				if lines != int64(read) {
					t.Errorf("the positions have %d lines, want %d", lines, read)
				}
				_, err = r.Next(t.Context(), new(Item[Line]))
			}
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "the file is "+test.want) || !strings.Contains(err.Error(), "zcat") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestLargeFileBetweenTransactions checks that a large compressed file is not
// opened in the transaction of other lines, because opening takes long.
func TestLargeFileBetweenTransactions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := make([]byte, longOpening)
	if _, err := rand.Read(text); err != nil {
		t.Fatal(err)
	}
	large := writeFile(t, dir, "large.gz", hex.EncodeToString(text)+"\n"+hex.EncodeToString(text)+"\n")
	small := writeFile(t, dir, "small.gz", "two\n")
	f := &files{paths: []string{writeFile(t, dir, "first", "one\n"), small, large}, maxLine: 10}
	r := openFiles(t, f)
	defer func() { _ = r.Close() }()
	for i, want := range []bool{true, true, false, true} {
		ok, err := r.Next(t.Context(), new(Item[Line]))
		if ok != want || err != nil {
			t.Fatalf("call %d: %v, %v", i, ok, err)
		}
		if !ok && len(r.Positions()) != 2 {
			t.Error("no positions to commit")
		}
	}
}

// TestManyFilesBetweenTransactions checks that the lines before many files
// without new lines are committed before all these files are opened.
func TestManyFilesBetweenTransactions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := &files{maxLine: 10}
	for i := range longOpening/fileCost + 3 {
		f.paths = append(f.paths, writeFile(t, dir, fmt.Sprintf("%03d.log", i), fmt.Sprintf("%d\n", i)))
	}
	var positions []Position
	r := openFiles(t, f)
	for range f.paths {
		for range 2 { // perhaps a commit comes first
			ok, err := r.Next(t.Context(), new(Item[Line]))
			if err != nil {
				t.Fatal(err)
			}
			if positions = append(positions, r.Positions()...); ok {
				break
			}
		}
	}
	_ = r.Close()
	for _, path := range []string{f.paths[0], f.paths[len(f.paths)-1]} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, "new\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := openFiles(t, f, positions...)
	defer func() { _ = again.Close() }()
	for i, want := range []bool{true, false, true, false} {
		ok, err := again.Next(t.Context(), new(Item[Line]))
		if ok != want || err != nil {
			t.Fatalf("call %d: %v, %v", i, ok, err)
		}
		if !ok && len(again.Positions()) != 1 {
			t.Error("no position to commit")
		}
	}
}
