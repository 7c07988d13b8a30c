package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/avroline/avroline/serde/ocf"
)

// maxLine is the longest line, in bytes. A longer line is rejected, and is not
// read into memory completely.
const maxLine = 1 << 20

// line is one line of an input, without the line feed.
type line struct {
	file string
	no   int64  // from 1
	text []byte // valid until the next line
	err  error  // the reason why the line cannot be used
}

// inputs are the files to read, in order. Read is the number of bytes read so
// far, before decompression. Total is the size of all files, or 0 if the size
// is unknown.
type inputs struct {
	files []string
	// short is a folder, or empty. The files of the folder are shown by their
	// base names.
	short string
	Total int64
	Read  atomic.Int64
	stdin io.Reader
}

// openInputs expands globs and checks that the files exist. So openInputs
// reports a mistyped name before the first event is sent.
func openInputs(patterns []string, stdin io.Reader) (*inputs, error) {
	in := &inputs{stdin: stdin}
	for _, p := range patterns {
		if p == "-" {
			in.files = append(in.files, p)
			continue
		}
		names, err := filepath.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("--input %s: %w", p, err)
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("--input %s: no such file: check the name", p)
		}
		slices.Sort(names)
		in.files = append(in.files, names...)
	}
	for i, f := range in.files {
		if slices.Contains(in.files[:i], f) {
			return nil, fmt.Errorf("--input: %s is named twice, and its lines would be published twice: name each file once", f)
		}
		if f == "-" {
			in.Total = 0
			return in, nil
		}
		st, err := os.Stat(f)
		if err != nil {
			return nil, fmt.Errorf("--input: %w", err)
		}
		if st.IsDir() {
			return nil, fmt.Errorf("--input: %s is a folder: name the files in it, for example %s", f, filepath.Join(f, "*.log"))
		}
		in.Total += st.Size()
	}
	return in, nil
}

// lines yields every line of every file until ctx ends. A read error is the
// last element.
func (in *inputs) lines(ctx context.Context) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		for _, name := range in.files {
			if !in.file(ctx, name, yield) {
				return
			}
		}
	}
}

func (in *inputs) file(ctx context.Context, name string, yield func(line, error) bool) bool {
	r, close, err := in.open(name)
	if err != nil {
		return yield(line{}, err)
	}
	if filepath.Dir(name) == in.short {
		name = filepath.Base(name)
	}
	defer close()
	br := bufio.NewReaderSize(r, 256<<10)
	if start, err := br.Peek(len(ocf.Magic)); err == nil && string(start) == ocf.Magic {
		return containerLines(ctx, name, br, yield)
	}
	for no := int64(1); ctx.Err() == nil; no++ {
		text, err := readLine(br)
		switch {
		case errors.Is(err, io.EOF):
			return true
		case errors.Is(err, errLongLine):
			if !yield(line{file: name, no: no, text: text, err: err}, nil) {
				return false
			}
		case err != nil:
			return yield(line{}, fmt.Errorf("%s:%d: %w", name, no, err))
		default:
			if !yield(line{file: name, no: no, text: text}, nil) {
				return false
			}
		}
	}
	return false
}

// open detects gzip by the first bytes of the file, not by its name.
func (in *inputs) open(name string) (io.Reader, func(), error) {
	raw, close := in.stdin, func() {}
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, err
		}
		raw, close = f, func() { f.Close() }
	}
	br := bufio.NewReaderSize(&counted{raw, &in.Read}, 256<<10)
	if magic, err := br.Peek(2); err != nil || !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return br, close, nil // also for files shorter than two bytes
	}
	gz, err := gzip.NewReader(br)
	if err != nil {
		close()
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return gz, close, nil
}

type counted struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

var errLongLine = fmt.Errorf("longer than %d bytes", maxLine)

// readLine returns a line without its line feed. If a line is too long,
// readLine returns the beginning and errLongLine. The last line needs no line
// feed.
func readLine(br *bufio.Reader) ([]byte, error) {
	text, err := br.ReadSlice('\n')
	if err == nil {
		return bytes.TrimSuffix(text[:len(text)-1], []byte("\r")), nil
	}
	if errors.Is(err, io.EOF) && len(text) > 0 {
		return text, nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	long := bytes.Clone(text)
	for errors.Is(err, bufio.ErrBufferFull) {
		text, err = br.ReadSlice('\n')
		if len(long) <= maxLine {
			long = append(long, text...)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(long) > maxLine {
		return long[:100], errLongLine
	}
	return bytes.TrimRight(long, "\r\n"), nil
}

// guessFormat guesses the format of a file from the first line that is not
// empty.
func guessFormat(text []byte) string {
	t := bytes.TrimSpace(text)
	switch {
	case bytes.HasPrefix(t, []byte("{")):
		return "json"
	case bytes.Contains(t, []byte(",")) && !bytes.Contains(t, []byte(`"`)) && hasTimeColumn(string(t)):
		return "csv"
	default:
		return "combined"
	}
}

func hasTimeColumn(header string) bool {
	for column := range strings.SplitSeq(header, ",") {
		if fieldOf[normal(column)] == fieldAt {
			return true
		}
	}
	return false
}
