package source

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if strings.HasSuffix(name, ".gz") {
		text = gzipped(t, text)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// readRest reads a file from the offset of r to the end.
func readRest(t *testing.T, r *lineReader) []Line {
	t.Helper()
	if err := r.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer r.close()
	var out []Line
	for {
		var l Line
		ok, err := r.next(&l)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		out = append(out, l)
	}
}

func lineTexts(lines []Line) string {
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

// stopAfter reads n lines and returns the reader's offset and lines.
func stopAfter(t *testing.T, path string, maxLine, n int) (offset, lines int64) {
	t.Helper()
	r := &lineReader{path: path, maxLine: maxLine}
	if err := r.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for range n {
		if _, err := r.next(new(Line)); err != nil {
			t.Fatal(err)
		}
	}
	return r.offset, r.lines
}

func TestLines(t *testing.T) {
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
			path := writeFile(t, dir, fmt.Sprint(i, ext), tc.text)
			all := readRest(t, &lineReader{path: path, maxLine: 8})
			if got := lineTexts(all); got != tc.want {
				t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
			}
			for n := range all { // a reader that starts behind any line returns the same rest
				offset, lines := stopAfter(t, path, 8, n)
				again := readRest(t, &lineReader{path: path, maxLine: 8, offset: offset, lines: lines})
				if lineTexts(again) != lineTexts(all[n:]) || again[0].Number != all[n].Number || again[0].Offset != all[n].Offset ||
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

// TestLongLines reads lines whose lengths are close to the sizes of the
// buffers.
func TestLongLines(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	var want []int
	for _, n := range []int{0, 1, blockSize/4 - 1, blockSize / 4, blockSize/4 + 1, blockSize - 1, blockSize, blockSize + 1, 3*blockSize + 7, 5} {
		text.WriteString(strings.Repeat("x", n) + "\n")
		want = append(want, n)
	}
	all := readRest(t, &lineReader{path: writeFile(t, t.TempDir(), "log", text.String()), maxLine: 1 << 20})
	var got []int
	for _, l := range all {
		got = append(got, len(l.Text))
		if strings.Trim(string(l.Text), "x") != "" || l.Err != nil {
			t.Errorf("line %d was changed: %v", l.Number, l.Err)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// readAll returns the position of a file that was read to its end.
func readAll(t *testing.T, path string) Position {
	t.Helper()
	f := &files{paths: []string{path}, maxLine: 100}
	r := openFiles(t, f)
	defer func() { _ = r.Close() }()
	for {
		if ok, err := r.Next(t.Context(), new(Item[Line])); err != nil {
			t.Fatal(err)
		} else if !ok {
			break
		}
	}
	return r.Positions()[0]
}

func openFiles(t *testing.T, f *files, known ...Position) Reader[Line] {
	t.Helper()
	r, err := f.Open(t.Context(), Shard{0, 1}, known)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRecognisesFiles(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a line of the log\n", 400) // longer than the head
	// left reads the files and returns the unread lines of each file.
	left := func(t *testing.T, known []Position, paths ...string) map[string]string {
		t.Helper()
		r := openFiles(t, &files{paths: paths, maxLine: 100}, known...)
		defer func() { _ = r.Close() }()
		all := map[string][]Line{}
		for {
			var item Item[Line]
			ok, err := r.Next(t.Context(), &item)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			name := filepath.Base(item.Value.File)
			all[name] = append(all[name], item.Value)
		}
		out := map[string]string{}
		for name, lines := range all {
			out[name] = lineTexts(lines)
		}
		return out
	}
	check := func(t *testing.T, got map[string]string, want map[string]string) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	t.Run("appended", func(t *testing.T) {
		t.Parallel()
		for _, first := range []string{"one\n", long} {
			dir := t.TempDir()
			path := writeFile(t, dir, "log", first)
			at := readAll(t, path)
			writeFile(t, dir, "log", first+"two\nthree\n")
			check(t, left(t, []Position{at}, path), map[string]string{"log": "two|three"})
		}
	})
	t.Run("line without end, ended later", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := writeFile(t, dir, "log", "one\ntwo")
		at := readAll(t, path)
		writeFile(t, dir, "log", "one\ntwo\nthree\n")
		check(t, left(t, []Position{at}, path), map[string]string{"log": "three"})
		writeFile(t, dir, "log", "one\ntwo and a half\n")
		check(t, left(t, []Position{at}, path), map[string]string{"log": " and a half"})
	})
	t.Run("rotated", func(t *testing.T) {
		t.Parallel()
		for _, rotated := range []string{"log.1", "log.1.gz"} {
			dir := t.TempDir()
			at := readAll(t, writeFile(t, dir, "log", long+"x\n"))
			other := writeFile(t, dir, rotated, long+"x\ny\n")
			path := writeFile(t, dir, "log", "new\n")
			check(t, left(t, []Position{at}, path, other), map[string]string{"log": "new", rotated: "y"})
		}
	})
	t.Run("copied", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := writeFile(t, dir, "log", "one\n")
		at := readAll(t, path)
		check(t, left(t, []Position{at}, path, writeFile(t, dir, "copy", "one\n")), map[string]string{"copy": "one"})
	})
	t.Run("replaced", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		at := readAll(t, writeFile(t, dir, "log", "one\n"))
		check(t, left(t, []Position{at}, writeFile(t, dir, "log", "two\n")), map[string]string{"log": "two"})
	})
	t.Run("shrunk", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		at := readAll(t, writeFile(t, dir, "log", long))
		r := openFiles(t, &files{paths: []string{writeFile(t, dir, "log", long[:maxHead+100])}, maxLine: 100}, at)
		if _, err := r.Next(t.Context(), new(Item[Line])); !errors.Is(err, ErrFileShrank) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		if _, err := (&files{paths: []string{"/no/such/file"}}).Open(t.Context(), Shard{0, 1}, nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("impossible positions", func(t *testing.T) {
		t.Parallel()
		for _, value := range []string{"", "{", `{"offset":-1}`, `{"head_sha256":"00"}`, `{"head_size":5000,"head_sha256":"` + strings.Repeat("00", 32) + `"}`} {
			if _, err := (&files{}).Open(t.Context(), Shard{0, 1}, []Position{{Value: value}}); err == nil || !strings.Contains(err.Error(), "choose another name") {
				t.Errorf("%q: %v", value, err)
			}
		}
	})
	t.Run("sharded", func(t *testing.T) {
		t.Parallel()
		if _, err := (&files{}).Open(t.Context(), Shard{0, 2}, nil); !errors.Is(err, errFilesSharded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestGrows appends to a log while the log is read. The log ends with a
// complete line when the reading begins, so no part of a line is an item.
func TestGrows(t *testing.T) {
	t.Parallel()
	path := writeFile(t, t.TempDir(), "log", "one\n")
	f := &files{paths: []string{path}, maxLine: 100}
	appendText := func(text string) {
		t.Helper()
		log, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = log.Close() }()
		if _, err := log.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	var at []Position
	read := func(while func()) (lines []Line) {
		t.Helper()
		r := openFiles(t, f, at...)
		defer func() { _ = r.Close() }()
		for {
			var item Item[Line]
			if ok, err := r.Next(t.Context(), &item); err != nil {
				t.Fatal(err)
			} else if !ok {
				break
			}
			lines = append(lines, item.Value)
			while()
			while = func() {}
		}
		if moved := r.Positions(); len(moved) > 0 {
			at = moved
		}
		return lines
	}
	var got []string
	for _, while := range []func(){
		func() { appendText("two\nthr") },     // the program has not written the rest of the line yet
		func() { appendText("ee\nfour\nfi") }, // the line was not complete when the reading began
		func() {},
	} {
		got = append(got, lineTexts(read(while)))
	}
	appendText("ee\n")
	got = append(got, lineTexts(read(func() {})))
	if want := []string{"one|two", "thr|ee|four", "fi", "ee"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOneFileTwice checks that a file is read once, even if the paths of the
// file differ.
func TestOneFileTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := writeFile(t, dir, "log.1", "one\n"), filepath.Join(dir, "log")
	for name, make := range map[string]func(path, link string) error{"symbolic": os.Symlink, "hard": os.Link} {
		if err := make(path, link); err != nil {
			t.Skip(err)
		}
		_, err := (&files{paths: []string{path, writeFile(t, dir, "other", "one\n"), link}, maxLine: 100}).Open(t.Context(), Shard{0, 1}, nil)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), link) {
			t.Errorf("a %s link: got %v", name, err)
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPositionsOfSeveralFiles checks a transaction with lines of several files.
// The transaction has a position for each file.
func TestPositionsOfSeveralFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := &files{paths: []string{writeFile(t, dir, "a", "1\n2\n"), writeFile(t, dir, "empty", ""), writeFile(t, dir, "b", "3\n4\n")}, maxLine: 10}
	r := openFiles(t, f)
	defer func() { _ = r.Close() }()
	for range 3 {
		if ok, err := r.Next(t.Context(), new(Item[Line])); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	first := r.Positions()
	if len(first) != 2 || !strings.Contains(first[0].Value, `"lines":2`) || !strings.Contains(first[1].Value, `"lines":1`) {
		t.Errorf("got %v", first)
	}
	if more := r.Positions(); len(more) != 0 {
		t.Errorf("the same again: %v", more)
	}
	again := openFiles(t, f, first...)
	defer func() { _ = again.Close() }()
	var item Item[Line]
	if ok, err := again.Next(t.Context(), &item); !ok || err != nil || string(item.Value.Text) != "4" {
		t.Errorf("got %v, %v: %q", ok, err, item.Value.Text)
	}
}

// TestNameNotUTF8 replaces a file by a longer copy, as rsync does. Only the
// name shows that the copy is the same log. The name is not UTF-8, and JSON
// would change the name.
func TestNameNotUTF8(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "caf\xe9.log")
	if err := os.WriteFile(path, []byte("1\n2\n"), 0o600); err != nil {
		t.Skip(err) // not every file system takes such a name
	}
	f := &files{paths: []string{path}, maxLine: 10}
	r := openFiles(t, f)
	for range 2 {
		if ok, err := r.Next(t.Context(), new(Item[Line])); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	positions := r.Positions()
	_ = r.Close()
	if err := os.Rename(writeFile(t, dir, "copy", "1\n2\n3\n"), path); err != nil {
		t.Fatal(err)
	}
	again := openFiles(t, f, positions...)
	defer func() { _ = again.Close() }()
	var item Item[Line]
	if ok, err := again.Next(t.Context(), &item); !ok || err != nil || string(item.Value.Text) != "3" {
		t.Errorf("got %v, %v: %q", ok, err, item.Value.Text)
	}
}

// FuzzLines checks that no position loses or repeats a line, for any content.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\nb\n\nc"), 2)
	f.Fuzz(func(t *testing.T, text []byte, stop int) {
		if bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
			t.Skip("compressed")
		}
		path := writeFile(t, t.TempDir(), "log", string(text))
		all := readRest(t, &lineReader{path: path, maxLine: 1 << 20})
		if len(all) == 0 {
			return
		}
		n := int(uint(stop) % uint(len(all)))
		offset, lines := stopAfter(t, path, 1<<20, n)
		if got, want := lineTexts(readRest(t, &lineReader{path: path, maxLine: 1 << 20, offset: offset, lines: lines})), lineTexts(all[n:]); got != want {
			t.Errorf("from line %d: %q, want %q", n, got, want)
		}
	})
}

// TestTail compares the checksum before a position with the bytes of the file.
func TestTail(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 300 {
		n := i
		if i%50 == 3 {
			n = []int{maxTail - 1, maxTail, 2*maxTail + 5, 3 * blockSize}[i/50%4]
		}
		text.WriteString(strings.Repeat(fmt.Sprint(i, " "), n)[:n] + "\n")
	}
	all := text.String()
	for _, name := range []string{"log", "log.gz"} {
		path := writeFile(t, t.TempDir(), name, all+"half a line")
		r := &lineReader{path: path, maxLine: 1 << 20}
		if err := r.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer r.close()
		r.size-- // the file has grown since
		check := func(r *lineReader) {
			t.Helper()
			want := ""
			if r.offset > maxHead {
				sum := sha256.Sum256([]byte(all[max(maxHead, r.offset-maxTail):r.offset]))
				want = hex.EncodeToString(sum[:])
			}
			if got := r.tailSum(); got != want {
				t.Errorf("%s: %s before byte %d, want %s", name, got, r.offset, want)
			}
		}
		for {
			ok, err := r.next(new(Line))
			if err != nil {
				t.Fatal(err)
			}
			if !ok || r.offset > int64(len(all)) {
				break
			}
			check(r)
			again := &lineReader{path: path, maxLine: 1 << 20, offset: r.offset}
			if err := again.open(t.Context()); err != nil {
				t.Fatal(err)
			}
			again.close()
			check(again)
		}
		if name == "log" {
			check(r) // without the half line
		}
	}
}

// TestFileGone renames a file between two readers, as log rotation does.
func TestFileGone(t *testing.T) {
	t.Parallel()
	for name, listed := range map[string]bool{"new name in the list": true, "new name not in the list": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := writeFile(t, dir, "log", "one\ntwo\nthree\n")
			in := &files{paths: []string{path}, maxLine: 100}
			r := openFiles(t, in)
			var item Item[Line]
			for range 2 {
				if ok, err := r.Next(t.Context(), &item); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}
			at := r.Positions()
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			old := filepath.Join(dir, "log.1")
			if err := os.Rename(path, old); err != nil {
				t.Fatal(err)
			}
			writeFile(t, dir, "log", "four\n")
			want := []string{"four"}
			if listed {
				in.paths = []string{old, path}
				want = []string{"three", "four"}
			} else if _, err := in.Open(t.Context(), Shard{0, 1}, at); !errors.Is(err, ErrFileGone) || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), "line 2 was the last") {
				t.Fatal(err)
			}
			r = openFiles(t, in, at...)
			var got []string
			for {
				ok, err := r.Next(t.Context(), &item)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				got = append(got, string(item.Value.Text))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			openFiles(t, in, at...) // everything was read
		})
	}
}

// TestTruncatedWhileRead truncates a file inside a line while the file is read.
// The complete lines are kept. The half line must not become a line, and the
// error comes after the lines, also if the file has grown again.
func TestTruncatedWhileRead(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("x", 99) + "\n"
	path := writeFile(t, t.TempDir(), "log", strings.Repeat(line, 2000))
	r := openFiles(t, &files{paths: []string{path}, maxLine: 100})
	next := func() (string, bool, error) {
		var item Item[Line]
		ok, err := r.Next(t.Context(), &item)
		return string(item.Value.Text), ok, err
	}
	if _, ok, err := next(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := os.Truncate(path, 100_030); err != nil {
		t.Fatal(err)
	}
	n := 1
	for {
		text, ok, err := next()
		if err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		if !ok {
			break
		}
		if n++; len(text) != 99 {
			t.Errorf("line %d is %q", n, text)
		}
	}
	at := r.Positions()
	if n != 1000 || len(at) != 1 || !strings.Contains(at[0].Value, `"offset":100000,"lines":1000,`) {
		t.Errorf("%d lines, %v", n, at)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat(line, 3000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, ok, err := next(); ok || !errors.Is(err, ErrFileShrank) || !strings.Contains(err.Error(), "ends at byte 100030, and had 200000 bytes") {
			t.Error(ok, err)
		}
	}
}
