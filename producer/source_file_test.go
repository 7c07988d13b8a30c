package producer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer/checkpoint"
)

func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if strings.HasSuffix(name, ".gz") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		text = b.String()
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rest reads a file from where f is.
func rest(t *testing.T, f *sourceFile, most int) []Line {
	t.Helper()
	if err := f.open(most); err != nil {
		t.Fatal(err)
	}
	defer f.close()
	var out []Line
	for {
		l, more, err := f.next()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return out
		}
		out = append(out, l)
	}
}

func texts(lines []Line) string {
	var out []string
	for _, l := range lines {
		s := string(l.Text)
		if l.Err != nil {
			s += "!"
		}
		out = append(out, s)
	}
	return strings.Join(out, "|")
}

func TestSourceLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, tc := range []struct{ text, want string }{
		{"", ""},
		{"\n", ""},
		{"a\nb\n", "a|b"},
		{"a\r\n\nb", "a||b"},
		{"12345678\n123456789\n1\n", "12345678|12345678!|1"},
		{"12345678\r\n" + strings.Repeat("x", 200_000) + "\nend\n", "12345678|xxxxxxxx!|end"},
		{"\xff\x00\n", "\xff\x00"},
	} {
		for _, ext := range []string{".log", ".gz"} {
			path := put(t, dir, fmt.Sprint(i, ext), tc.text)
			all := rest(t, &sourceFile{path: path}, 8)
			if got := texts(all); got != tc.want {
				t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
			}
			// From every line on: the same lines, numbers and header.
			for n := range all {
				f := &sourceFile{path: path}
				if err := f.open(8); err != nil {
					t.Fatal(err)
				}
				for range n {
					if _, _, err := f.next(); err != nil {
						t.Fatal(err)
					}
				}
				at := f.position("s")
				f.close()
				again := rest(t, &sourceFile{path: path, offset: at.Offset, lines: at.Lines}, 8)
				if fmt.Sprint(texts(again)) != fmt.Sprint(texts(all[n:])) || again[0].Number != all[n].Number || again[0].Offset != all[n].Offset ||
					!bytes.Equal(again[0].Header, all[n].Header) {
					t.Errorf("%q from line %d: %+v, want %+v", tc.text, n, again, all[n:])
				}
			}
			if len(all) > 0 && !errors.Is(all[len(all)-1].Err, ErrLineTooLong) && all[len(all)-1].Err != nil {
				t.Errorf("%v", all[len(all)-1].Err)
			}
		}
	}
}

// position reads the whole file.
func position(t *testing.T, path string) *checkpoint.FilePosition {
	t.Helper()
	f := &sourceFile{path: path, id: uuid.New()}
	rest(t, f, 100)
	return f.position("s")
}

func TestSourceKnowsFiles(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a line of the log\n", 400) // longer than what the checksum covers
	match := func(known []*checkpoint.FilePosition, paths ...string) []*sourceFile {
		t.Helper()
		s := &Source{config: SourceConfig{Files: paths}}
		files, err := s.match(known)
		if err != nil {
			t.Fatal(err)
		}
		return files
	}

	t.Run("appended", func(t *testing.T) {
		for _, first := range []string{"one\n", long} {
			dir := t.TempDir()
			path := put(t, dir, "log", first)
			at := position(t, path)
			put(t, dir, "log", first+"two\nthree\n")
			if got := texts(rest(t, match([]*checkpoint.FilePosition{at}, path)[0], 100)); got != "two|three" {
				t.Errorf("got %q", got)
			}
		}
	})
	t.Run("line without end, ended later", func(t *testing.T) {
		dir := t.TempDir()
		path := put(t, dir, "log", "one\ntwo")
		at := position(t, path)
		put(t, dir, "log", "one\ntwo\nthree\n")
		if got := texts(rest(t, match([]*checkpoint.FilePosition{at}, path)[0], 100)); got != "three" {
			t.Errorf("got %q", got)
		}
		put(t, dir, "log", "one\ntwo and a half\n")
		if got := texts(rest(t, match([]*checkpoint.FilePosition{at}, path)[0], 100)); got != " and a half" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("rotated", func(t *testing.T) {
		for _, rotated := range []string{"log.1", "log.1.gz"} {
			dir := t.TempDir()
			at := position(t, put(t, dir, "log", long+"x\n"))
			other := put(t, dir, rotated, long+"x\ny\n")
			path := put(t, dir, "log", "new\n")
			files := match([]*checkpoint.FilePosition{at}, path, other)
			if got := texts(rest(t, files[0], 100)); got != "new" || files[0].id == at.FileID {
				t.Errorf("the new one: %q", got)
			}
			if got := texts(rest(t, files[1], 100)); got != "y" || files[1].id != at.FileID {
				t.Errorf("%s: %q", rotated, got)
			}
		}
	})
	t.Run("copied", func(t *testing.T) {
		dir := t.TempDir()
		path := put(t, dir, "log", "one\n")
		at := position(t, path)
		if got := texts(rest(t, match([]*checkpoint.FilePosition{at}, path, put(t, dir, "copy", "one\n"))[1], 100)); got != "one" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("replaced", func(t *testing.T) {
		dir := t.TempDir()
		at := position(t, put(t, dir, "log", "one\n"))
		if got := texts(rest(t, match([]*checkpoint.FilePosition{at}, put(t, dir, "log", "two\n"))[0], 100)); got != "two" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("shrunk", func(t *testing.T) {
		dir := t.TempDir()
		at := position(t, put(t, dir, "log", long))
		path := put(t, dir, "log", long[:headMost+100])
		if err := match([]*checkpoint.FilePosition{at}, path)[0].open(100); !errors.Is(err, ErrFileShrank) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		s := &Source{config: SourceConfig{Files: []string{"/no/such/file"}}}
		if _, err := s.match(nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
}

// Whatever is in a file, its lines joined are the file again, and no position loses or repeats one.
func FuzzSourceLines(f *testing.F) {
	f.Add([]byte("a\r\nb\n\nc"), 2)
	f.Fuzz(func(t *testing.T, text []byte, stop int) {
		path := put(t, t.TempDir(), "log", string(text))
		if _, _, err := openPlain(path); err != nil {
			t.Skip("not what it says: gzip")
		}
		if bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
			t.Skip("compressed")
		}
		all := rest(t, &sourceFile{path: path}, 1<<20)
		if len(all) == 0 {
			return
		}
		n := int(uint(stop) % uint(len(all)))
		file := &sourceFile{path: path}
		if err := file.open(1 << 20); err != nil {
			t.Fatal(err)
		}
		for range n {
			if _, _, err := file.next(); err != nil {
				t.Fatal(err)
			}
		}
		at := file.position("s")
		file.close()
		if got, want := texts(rest(t, &sourceFile{path: path, offset: at.Offset, lines: at.Lines}, 1<<20)), texts(all[n:]); got != want {
			t.Errorf("from %d: %q, want %q", n, got, want)
		}
	})
}
