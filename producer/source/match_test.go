package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// readFiles reads the files, and returns the lines of each file as text. It
// also returns the positions.
func readFiles(t *testing.T, known []Position, paths ...string) (string, []Position) {
	t.Helper()
	r := openFiles(t, &files{paths: paths, maxLine: 100}, known...)
	defer func() { _ = r.Close() }()
	var got []string
	for {
		var item Item[Line]
		ok, err := r.Next(t.Context(), &item)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			byStream := map[string]Position{}
			for _, p := range append(known, r.Positions()...) {
				byStream[p.Stream] = p
			}
			return strings.Join(got, " "), slices.Collect(maps.Values(byStream))
		}
		got = append(got, fmt.Sprintf("%s:%s", filepath.Base(item.Value.File), item.Value.Text))
	}
}

// TestSpool reads files of a spool folder. Each file is removed after it was
// read, and the next file begins with the same line.
func TestSpool(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"%d.log", "%d.gz", "part.%d"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var known []Position
			for n := range 5 {
				path := writeFile(t, dir, fmt.Sprintf(name, n), "L\n"+strings.Repeat("M\n", n))
				if h, err := readHead(path, maxHead); name == "part.%d" && (err != nil || h.id == "") {
					t.Skip("the name looks like rotation, and the file system has no id of a file", err)
				}
				want := strings.TrimSpace(fmt.Sprintf("%[1]s:L", filepath.Base(path)) + strings.Repeat(" "+filepath.Base(path)+":M", n))
				var got string
				if got, known = readFiles(t, known, path); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if err := os.Remove(path); err != nil { // the file system may give the inode to the next file
					t.Fatal(err)
				}
			}
		})
	}
}

// TestSameHead reads files that begin with the same long header, as exports do.
func TestSameHead(t *testing.T) {
	t.Parallel()
	header := strings.Repeat("# the same header\n", 1000)
	rows := func(name string, n int) (text string) {
		for i := range n {
			text += fmt.Sprintf("%s%d\n", name, i)
		}
		return text
	}
	for _, size := range []int{1, 600, 2000} { // the tail has a part of the header, or only rows
		for _, tc := range []struct {
			name, first, next, nextText string
			gone                        bool // the first file is removed
			want                        string
		}{
			{"another file", "1.csv", "2.csv", rows("b", 3000), true, header + rows("b", 3000)},
			{"another file, compressed", "1.csv.gz", "2.csv.gz", rows("b", 3000), true, header + rows("b", 3000)},
			{"another file, shorter", "1.csv", "2.csv", "", true, header},
			{"another file, compressed and shorter", "1.csv.gz", "2.csv.gz", "", true, header},
			{"replaced", "1.csv", "1.csv", rows("b", 3000), false, header + rows("b", 3000)},
			{"renamed", "1.csv", "2.csv", rows("a", size) + "b0\n", true, "b0\n"},
			{"compressed", "1.csv", "2.csv.gz", rows("a", size) + "b0\n", true, "b0\n"},
			{"grown", "1.csv", "1.csv", rows("a", size) + "b0\n", false, "b0\n"},
		} {
			t.Run(fmt.Sprint(tc.name, " ", size), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				first := writeFile(t, dir, tc.first, header+rows("a", size))
				_, known := readFiles(t, nil, first)
				if h, err := readHead(first, maxHead); err != nil || h.id == "" {
					t.Skip("the file system has no id of a file", err)
				}
				next := writeFile(t, dir, tc.next, header+tc.nextText)
				if tc.gone {
					if err := os.Remove(first); err != nil {
						t.Fatal(err)
					}
				}
				got, known := readFiles(t, known, next)
				got = strings.ReplaceAll(got, " "+tc.next+":", "\n")
				got = strings.TrimPrefix(got, tc.next+":") + "\n"
				if got != tc.want {
					t.Errorf("%d bytes, want %d", len(got), len(tc.want))
				}
				if got, _ := readFiles(t, known, next); got != "" {
					t.Errorf("again: %d bytes", len(got))
				}
			})
		}
	}
}

// TestShortLogRotated rotates short logs. Each log has the same first line.
func TestShortLogRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(at(from), at(to)); err != nil {
			t.Fatal(err)
		}
	}
	grow := func(name, text string) {
		t.Helper()
		f, err := os.OpenFile(at(name), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(known []Position, want string, names ...string) []Position {
		t.Helper()
		var paths []string
		for _, name := range names {
			paths = append(paths, at(name))
		}
		got, known := readFiles(t, known, paths...)
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		return known
	}
	writeFile(t, dir, "a.log", "H\n1\n")
	known := check(nil, "a.log:H a.log:1", "a.log")
	grow("a.log", "2\n")
	rename("a.log", "a.log.1")
	writeFile(t, dir, "a.log", "H\n3\n")
	known = check(known, "a.log.1:2 a.log:H a.log:3", "a.log.1", "a.log")
	grow("a.log", "4\n")
	rename("a.log.1", "a.log.2")
	rename("a.log", "a.log.1")
	writeFile(t, dir, "a.log", "H\n5\n")
	known = check(known, "a.log.1:4 a.log:H a.log:5", "a.log.2", "a.log.1", "a.log")
	if err := os.Remove(at("a.log.2")); err != nil { // is compressed, and so another file
		t.Fatal(err)
	}
	writeFile(t, dir, "a.log.3.gz", "H\n1\n2\n")
	check(known, "", "a.log.3.gz", "a.log.1", "a.log")
}

// TestOnlyHeaderRotated rotates a log that has only a header. The next log
// begins with the same header, and gets the name of the log before.
func TestOnlyHeaderRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	log := writeFile(t, dir, "a.log", "H\n")
	if h, err := readHead(log, maxHead); err != nil || h.id == "" {
		t.Skip("the file system has no id of a file", err)
	}
	_, known := readFiles(t, nil, log)
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(at(from), at(to)); err != nil {
			t.Fatal(err)
		}
	}
	rename("a.log", "a.log.1")
	writeFile(t, dir, "a.log", "H\n1\n")
	got, known := readFiles(t, known, at("a.log.1"), log)
	if want := "a.log:H a.log:1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	rename("a.log.1", "a.log.2")
	rename("a.log", "a.log.1")
	writeFile(t, dir, "a.log", "H\n2\n")
	if got, _ = readFiles(t, known, at("a.log.2"), at("a.log.1"), log); got != "a.log:H a.log:2" {
		t.Errorf("got %q", got)
	}
}

// TestLongHeaderRotated rotates logs that begin with the same long header. A
// shorter log is not the beginning of the log before.
func TestLongHeaderRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	header := strings.Repeat("H\n", maxHead)
	long := header + strings.Repeat("L\n", 100)
	at := func(name string) string { return filepath.Join(dir, name) }
	log := writeFile(t, dir, "a.log", long)
	if h, err := readHead(log, maxHead); err != nil || h.id == "" {
		t.Skip("the file system has no id of a file", err)
	}
	rest := func(known []Position, names ...string) (string, []Position) {
		t.Helper()
		var paths []string
		for _, name := range names {
			paths = append(paths, at(name))
		}
		got, known := readFiles(t, known, paths...)
		for _, name := range names {
			got = strings.TrimSpace(strings.ReplaceAll(got+" ", name+":H ", ""))
		}
		return got, known
	}
	_, known := rest(nil, "a.log")
	if err := os.Rename(log, at("a.log.1")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "a.log", header+"1\n")
	got, known := rest(known, "a.log", "a.log.1")
	if got != "a.log:1" {
		t.Errorf("got %q", got)
	}
	if err := os.Remove(at("a.log.1")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "a.log.1.gz", long)
	writeFile(t, dir, "a.log.2.gz", header+"2\n") // an older log that was never read
	if got, _ = rest(known, "a.log.2.gz", "a.log.1.gz", "a.log"); got != "a.log.2.gz:2" {
		t.Errorf("got %q", got)
	}
}

// TestCompressedCopy reads a log and its compressed copy, which both exist
// while gzip works.
func TestCompressedCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const text = "one\ntwo\n"
	log, packed := writeFile(t, dir, "z.log", text), filepath.Join(dir, "z.log.gz")
	got, known := readFiles(t, nil, log)
	if got != "z.log:one z.log:two" {
		t.Fatal(got)
	}
	whole, err := os.ReadFile(writeFile(t, dir, "z.log.gz", text))
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 { // gzip has written n bytes
		if err := os.WriteFile(packed, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _ := readFiles(t, known, log, packed); got != "" {
			t.Fatalf("after %d bytes: %q", n, got)
		}
	}
	if got, _ := readFiles(t, nil, packed, log); got != "z.log:one z.log:two" {
		t.Errorf("nothing was read before: %q", got)
	}
	_, ofPacked := readFiles(t, nil, packed)
	if got, _ := readFiles(t, ofPacked, packed, log); got != "" {
		t.Errorf("the copy was read before: %q", got)
	}
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	if got, _ := readFiles(t, known, packed); got != "" {
		t.Errorf("after gzip: %q", got)
	}
	// The control has another log under the name, as some rotations do.
	writeFile(t, dir, "z.log", "one\nthree\n")
	if got, _ := readFiles(t, known, log, packed); got != "z.log:one z.log:three" {
		t.Errorf("another log: %q", got)
	}
}

// TestManyFiles opens thousands of files that look alike. Comparisons of all
// pairs would take minutes.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	const n = 3000
	dir := t.TempDir()
	in := &files{maxLine: 100}
	var known []Position
	head := strings.Repeat("the same head\n", 400)
	at := time.Unix(1_700_000_000, 0)
	for i := range n {
		path := writeFile(t, dir, fmt.Sprintf("%d.log", i), head)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		in.paths = append(in.paths, path)
	}
	first := readAll(t, in.paths[0])
	for i := range n {
		known = append(known, Position{Stream: fmt.Sprintf("%06d", i), Value: strings.ReplaceAll(first.Value, "/0.log", fmt.Sprintf("/gone-%d.log", i))})
	}
	if err := in.check(); err != nil {
		t.Fatal(err)
	}
	r, err := in.Open(t.Context(), Shard{0, 1}, known)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.(*filesReader).files; len(got) != n || got[0].id != "000000" || got[n-1].id != fmt.Sprintf("%06d", n-1) {
		t.Errorf("%d files", len(got))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Open(ctx, Shard{0, 1}, known); !errors.Is(err, context.Canceled) {
		t.Errorf("the context has ended: %v", err)
	}
}
