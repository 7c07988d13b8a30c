package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry/registrytest"
)

func writeText(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// otherNames returns names of a file that differ as text: another path, a
// symbolic link and a hard link.
func otherNames(t *testing.T, path string) map[string]string {
	t.Helper()
	dir, base := filepath.Split(path)
	names := map[string]string{"the same text": path, "another path": dir + "./" + base}
	for kind, link := range map[string]func(string, string) error{"a symbolic link": os.Symlink, "a hard link": os.Link} {
		name := filepath.Join(t.TempDir(), "name.log")
		if err := link(path, name); err != nil {
			t.Logf("no test of %s: %v", kind, err)
			continue
		}
		names[kind] = name
	}
	return names
}

// TestRejectsFileIsNoInput checks that the program refuses to write the rejects
// into a file that it reads, before it changes the file.
func TestRejectsFileIsNoInput(t *testing.T) {
	t.Parallel()
	const text = "no event\n"
	log := writeText(t, filepath.Join(t.TempDir(), "a.log"), text)
	for kind, name := range otherNames(t, log) {
		for _, more := range []string{"", " --resume --send transaction --brokers 127.0.0.1:1 --registry http://127.0.0.1:1"} {
			args := strings.Fields("--quiet" + more)
			o, err := parseOptions(append(args, "--rejects", name, "--input", filepath.Join(filepath.Dir(log), "*.log")), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--rejects "+name) {
				t.Errorf("%s%s: %v", kind, more, err)
			}
		}
	}
	stdin, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if _, err := openInputs([]string{"-"}, log, stdin); err == nil {
		t.Error("the file behind standard input was taken")
	}
	if got, err := os.ReadFile(log); err != nil || string(got) != text {
		t.Errorf("the log is now %q, %v", got, err)
	}
}

// TestSecondRunWithGlob runs the same command twice. The second run must not
// read the rejects of the first run.
func TestSecondRunWithGlob(t *testing.T) {
	t.Chdir(t.TempDir())
	writeText(t, "access.log", strings.Repeat("no event\n", 200))
	for range 2 {
		o, err := parseOptions([]string{"--quiet", "--input", "*.log"}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := run(t.Context(), o); err != nil || r.Lines != 200 || r.Rejected != 200 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
}

// TestInputNamedTwice checks that a file is published once, even if its names
// differ, and also after standard input.
func TestInputNamedTwice(t *testing.T) {
	t.Parallel()
	log := writeText(t, filepath.Join(t.TempDir(), "a.log"), "one\n")
	for kind, name := range otherNames(t, log) {
		for _, first := range []string{"", "-"} {
			patterns := append(strings.Fields(first), log, name)
			if _, err := openInputs(patterns, "", strings.NewReader("")); err == nil || !strings.Contains(err.Error(), "the same file") {
				t.Errorf("%s after %q: %v", kind, first, err)
			}
		}
	}
	stdin, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	for _, patterns := range [][]string{{"-", log}, {"-", "-"}} {
		if _, err := openInputs(patterns, "", stdin); err == nil {
			t.Errorf("%v was taken", patterns)
		}
	}
	// Two files with the same text are two files.
	other := writeText(t, filepath.Join(t.TempDir(), "a.log"), "one\n")
	if _, err := openInputs([]string{log, other, os.DevNull, os.DevNull}, os.DevNull, nil); err != nil {
		t.Error(err)
	}
}

// TestNameWithBrackets checks that a file is found under its exact name, even
// if the name is also a pattern.
func TestNameWithBrackets(t *testing.T) {
	t.Parallel()
	log := writeText(t, filepath.Join(t.TempDir(), "access[1].log"), "one\n")
	in, err := openInputs([]string{log}, "", nil)
	if err != nil || len(in.files) != 1 || in.files[0] != log {
		t.Errorf("%+v, %v", in, err)
	}
}

// TestFirstLines checks files with empty lines or a byte order mark before the
// first line of text, and files of CSV without a header.
func TestFirstLines(t *testing.T) {
	t.Parallel()
	const object = `{"at":1,"ip":"h","url":"/"}` + "\n"
	const table = "time,ip,url\n1,h,/\n"
	for name, test := range map[string]struct {
		text                    string
		format                  string
		lines, rejected, events int64
	}{
		"an empty line before JSON":         {"\n \n" + object, "auto", 3, 2, 1},
		"a mark before JSON":                {byteOrderMark + object + object, "auto", 2, 0, 2},
		"a mark before CSV":                 {byteOrderMark + table, "auto", 1, 0, 1},
		"a mark and an empty line":          {byteOrderMark + "\r\n" + table, "auto", 2, 1, 1},
		"an empty line before CSV":          {"\n" + table, "csv", 2, 1, 1},
		"CSV without a header":              {"1,h,/\n2,h,/\n", "csv", 2, 2, 0},
		"a header of CSV that is malformed": {"time,ip,\"url\n1,h,/\n2,h,/\n", "csv", 3, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := writeText(t, filepath.Join(dir, "log"), test.text)
			o, err := parseOptions([]string{"--quiet", "--format", test.format, "--rejects", filepath.Join(dir, "rejects"), log}, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			r, err := run(t.Context(), o)
			if err != nil || !r.balanced() || r.Lines != test.lines || r.Rejected != test.rejected || r.Delivered != test.events {
				t.Errorf("%+v, %v", r, err)
			}
			in, err := openInputs([]string{log}, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			// A resumed run makes a new parser for any line.
			events := int64(0)
			var first []byte
			for l, err := range in.lines(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if l.no == 1 {
					first = append(first, l.text...)
				}
				_, reason, err := (&lineParser{in: in, format: test.format}).event(t.Context(), l, line{no: 1, text: first})
				if err != nil {
					t.Fatal(err)
				}
				if reason == nil {
					events++
				}
			}
			if events != test.events {
				t.Errorf("%d events with --resume", events)
			}
		})
	}
	l, first := lineOf(source.Line{Number: 1, Text: []byte(byteOrderMark + "a"), Header: []byte(byteOrderMark + "a")})
	if string(l.text) != "a" || string(first.text) != "a" {
		t.Errorf("%q, %q", l.text, first.text)
	}
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestUnreadableInput names a good file before a file that cannot be read. No
// event of the good file is sent, because a second run would send it again.
func TestUnreadableInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := writeText(t, filepath.Join(dir, "good.log"), `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 5`+"\n")
	packed := gzipped(t, strings.Repeat("a line\n", 10))
	damaged := []byte(packed)
	damaged[len(damaged)-6]++ // the checksum
	files := map[string]string{
		"zstd":       "\x28\xb5\x2f\xfd\x04\x00\x31\x00\x00line\n",
		"bzip2":      "BZh91AY&SY\x6f\x1f\n",
		"UTF-16":     "\xff\xfel\x00i\x00n\x00e\x00\n\x00",
		"(big":       gzipped(t, "\xfe\xff\x00l\x00i\x00n\x00e\x00\n"),
		"tar":        gzipped(t, "access.log"+strings.Repeat("\x00", 247)+"ustar\x0000"+strings.Repeat("\x00", 248)+"line\n"),
		"twice":      gzipped(t, packed),
		"damaged":    string(damaged),
		"incomplete": packed[:len(packed)-9],
	}
	b := producertest.Start(t, producertest.WithTopic("clicks", 1))
	for want, text := range files {
		bad := writeText(t, filepath.Join(dir, want), text)
		o, err := parseOptions([]string{
			"--brokers", b.Addrs()[0], "--registry", registrytest.Start(t).URL, "--quiet",
			"--rejects", filepath.Join(dir, "rejects"), "--input", good, "--input", bad,
		}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := run(t.Context(), o); r != nil || err == nil || !strings.Contains(err.Error(), bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", want, r, err)
		}
	}
	for range producertest.ReadRaw(t.Context(), b, "clicks") {
		t.Error("an event was sent")
	}
	if _, err := os.Stat(filepath.Join(dir, "rejects")); !os.IsNotExist(err) {
		t.Errorf("the check of the rejects file left a file: %v", err)
	}
}

// TestFilesInReport reads a damaged file from standard input, where it cannot
// be checked first. The report has the number of files that were read, and the
// error has the number of the other files.
func TestFilesInReport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 5` + "\n"
	good := writeText(t, filepath.Join(dir, "good.log"), text)
	packed := gzipped(t, text+text)
	o, err := parseOptions([]string{"--quiet", "--rejects", filepath.Join(dir, "rejects"), "--input", "-", "--input", good}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := runFrom(t.Context(), o, strings.NewReader(packed[:len(packed)-4]))
	if err == nil || !strings.Contains(err.Error(), "incomplete") || !strings.Contains(err.Error(), "not read: 1 more file") {
		t.Errorf("error %v", err)
	}
	if r == nil || r.Files != 1 || r.Lines != 2 || r.Delivered != 2 {
		t.Errorf("%+v", r)
	}
}

// TestLongestLine checks that a line with exactly the longest length is no long
// line, with each end of a line.
func TestLongestLine(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", maxLine)
	for _, end := range []string{"", "\n", "\r", "\r\n"} {
		got, n, err := readLine(bufio.NewReader(strings.NewReader(text + end)))
		if string(got) != text || int(n) != len(text+end) || err != nil {
			t.Errorf("%q: %d bytes, %d read, %v", end, len(got), n, err)
		}
		if _, _, err := readLine(bufio.NewReader(strings.NewReader("x" + text + end))); !errors.Is(err, errLongLine) {
			t.Errorf("%q: one byte more: %v", end, err)
		}
	}
}

// TestInputChanges changes a file during the run. The lines that are gone are
// missing, so the run must not end with success.
func TestInputChanges(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(name string) error{
		"replaced": func(name string) error {
			return errors.Join(os.Rename(name, name+".1"), os.WriteFile(name, []byte("new\n"), 0o644))
		},
		"no such file": os.Remove,
	} {
		dir := t.TempDir()
		first := writeText(t, filepath.Join(dir, "first.log"), "line\n")
		second := writeText(t, filepath.Join(dir, "second.log"), "line\n")
		in, err := openInputs([]string{first, second}, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		var got error
		for l, err := range in.lines(t.Context()) {
			if got = err; err == nil {
				if l.file != first {
					t.Errorf("%s: line %q of %s", want, l.text, l.file)
				} else if err := change(second); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got == nil || !strings.Contains(got.Error(), second) || !strings.Contains(got.Error(), want) {
			t.Errorf("%s: %v", want, got)
		}
	}

	name := writeText(t, filepath.Join(t.TempDir(), "a.log"), strings.Repeat("line\n", 1<<20))
	in, err := openInputs([]string{name}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for l, got := range in.lines(t.Context()) {
		if err = got; got == nil && l.no == 1 {
			if err := os.Truncate(name, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("truncated: %v", err)
	}
}

// TestNameNotUTF8 publishes a file whose name is not UTF-8, for example of an
// older Windows. An event names its file, and text of Avro is UTF-8.
func TestNameNotUTF8(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "caf\xe9.log")
	if err := os.WriteFile(name, []byte(`h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 5`), 0o644); err != nil {
		t.Skip(err) // not every file system takes such a name
	}
	o, err := parseOptions([]string{"--quiet", "--rejects", filepath.Join(dir, "rejects"), "--input", name}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := run(t.Context(), o); err != nil || !r.balanced() || r.Delivered != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
