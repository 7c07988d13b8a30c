package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
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
	end  int64  // the bytes of the file up to the next line, 0 if the file is compressed
	text []byte // valid until the next line
	err  error  // the reason why the line cannot be used
}

// inputs are the files to read, in order. Read is the number of bytes read so
// far, before decompression. Total is the size of all files, or 0 if the size
// is unknown.
type inputs struct {
	files []string
	infos []os.FileInfo // when openInputs looked; nil for standard input
	// short is a folder, or empty. The files of the folder are shown by their
	// base names.
	short string
	Total int64
	Read  atomic.Int64
	stdin io.Reader
	begun int // the number of files that lines has begun to read
	// verified says that verify has read the compressed files.
	verified bool
}

// openInputs expands globs, and checks that the files can be read and that the
// rejects can be written. So openInputs reports a mistyped name before the
// first event is sent. rejects is the file that the run will write. openInputs
// refuses a file with two names in the list, and an input that is also the
// rejects file. It compares the files themselves, because a link or another
// path is another name of the same file.
func openInputs(patterns []string, rejects string, stdin io.Reader) (*inputs, error) {
	in := &inputs{stdin: stdin}
	for _, p := range patterns {
		names, err := expand(p)
		if err != nil {
			return nil, err
		}
		in.files = append(in.files, names...)
	}
	written, _ := os.Stat(rejects) // without a file, nothing can be overwritten
	in.infos = make([]os.FileInfo, len(in.files))
	sized := true
	for i, f := range in.files {
		info, err := in.stat(f)
		switch {
		case err != nil:
			return nil, fmt.Errorf("--input: %w", err)
		case info == nil:
			sized = false
			if slices.Contains(in.files[:i], f) {
				return nil, errors.New("--input: standard input is named twice: name it once")
			}
			continue
		case info.IsDir():
			return nil, fmt.Errorf("--input: %s is a folder: name the files in it, for example %s", f, filepath.Join(f, "*.log"))
		case sameFile(info, written):
			return nil, fmt.Errorf("--rejects %s: the rejects would overwrite the input %s, which is the same file: name another file with --rejects, or leave the file out of --input", rejects, f)
		}
		for k, other := range in.infos[:i] {
			if sameFile(info, other) {
				return nil, fmt.Errorf("--input: %s and %s are the same file, and its lines would be published twice: name each file once", in.files[k], f)
			}
		}
		if info.Mode().IsRegular() && f != "-" {
			if err := checkFormat(f); err != nil {
				return nil, fmt.Errorf("--input: %w", err)
			}
		}
		in.infos[i] = info
		in.Total += info.Size()
	}
	if err := checkWritable(rejects, written); err != nil {
		return nil, fmt.Errorf("--rejects: %w: name another file", err)
	}
	if !sized {
		in.Total = 0
	}
	return in, nil
}

// checkFormat opens a file, and refuses a format that has no lines of text.
func checkFormat(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	start := make([]byte, longestStart)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return refuseFormat(name, start[:n])
}

// longestStart is the number of bytes that refuseFormat needs.
const longestStart = 262

// refuseFormat returns an error if a file does not begin like text or gzip. The
// lines of such a file would all be rejected.
func refuseFormat(name string, start []byte) error {
	for format, begin := range map[string]string{
		"compressed with zstd": "\x28\xb5\x2f\xfd", "compressed with xz": "\xfd7zXZ\x00", "compressed with lz4": "\x04\x22\x4d\x18",
		"compressed with compress": "\x1f\x9d", "a zip archive": "PK\x03\x04", "in UTF-16": "\xff\xfe", "in UTF-16 (big endian)": "\xfe\xff",
	} {
		if bytes.HasPrefix(start, []byte(begin)) {
			return fmt.Errorf("%s is %s: convert the file to UTF-8 or gzip", name, format)
		}
	}
	if bytes.HasPrefix(start, []byte("BZh")) && bytes.HasPrefix(start[min(4, len(start)):], []byte("1AY&SY")) { // between both is the level
		return fmt.Errorf("%s is compressed with bzip2: convert the file to UTF-8 or gzip", name)
	}
	if bytes.HasPrefix(start[min(257, len(start)):], []byte("ustar")) && bytes.IndexByte(start, 0) >= 0 { // the name of the first file ends with a zero byte
		return fmt.Errorf("%s is a tar archive: extract its files", name)
	}
	return nil
}

// checkWritable opens a regular file for writing, but writes nothing. info is
// nil if the file does not exist.
func checkWritable(name string, info os.FileInfo) error {
	if name == "" || info != nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil // opening a pipe may wait for ever
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	err = f.Close()
	if info == nil {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// verify reads each compressed file to its end, because the checksum is at the
// end. So the run sends no event of a damaged file, and no event of a file
// before the damaged file, which a second run would send again.
func (in *inputs) verify(ctx context.Context) error {
	for i := range in.files {
		if err := in.verifyFile(ctx, i); err != nil {
			return fmt.Errorf("--input: %w: nothing was published", err)
		}
	}
	in.verified = true
	return nil
}

// verifyFile reads a file to its end if the file is compressed. Standard input
// and a pipe cannot be read twice.
func (in *inputs) verifyFile(ctx context.Context, i int) error {
	name := in.files[i]
	if in.infos[i] == nil || !in.infos[i].Mode().IsRegular() || name == "-" {
		return nil
	}
	r, close, err := (&inputs{}).open(ctx, name)
	if err == nil {
		if _, compressed := r.(unpacked); compressed {
			if _, err = io.Copy(io.Discard, r); err != nil {
				err = fmt.Errorf("%s: %w", name, explainGzip(err))
			}
		}
		close()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// explainGzip says what to do about an error of reading a compressed file.
func explainGzip(err error) error {
	const repair = "replace the file by its readable lines (zcat FILE >NEWFILE), or leave it out of --input"
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the gzip file is incomplete: %w: "+repair, err)
	case errors.Is(err, gzip.ErrHeader): // after content that is right
		return fmt.Errorf("the file is damaged: %w: "+repair, err)
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, new(flate.CorruptInputError)):
		return fmt.Errorf("the file is damaged: %w: copy the file again from its origin. Otherwise look at its lines (zcat FILE >NEWFILE), because some are wrong, or leave it out of --input", err)
	}
	return err
}

// expand returns the files of a pattern. The name of a file is not a pattern,
// even if the name contains brackets.
func expand(pattern string) ([]string, error) {
	if pattern == "-" {
		return []string{pattern}, nil
	}
	if _, err := os.Lstat(pattern); err == nil {
		return []string{pattern}, nil
	}
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("--input %s: %w", pattern, err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("--input %s: no such file: check the name", pattern)
	}
	slices.Sort(names)
	return names, nil
}

// stat returns nil for standard input without a file behind it.
func (in *inputs) stat(name string) (os.FileInfo, error) {
	if name != "-" {
		return os.Stat(name)
	}
	if f, ok := in.stdin.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return info, nil
		}
	}
	return nil, nil
}

// sameFile reports whether two names lead to one file. A terminal may be input
// and output at the same time, so sameFile does not compare devices.
func sameFile(a, b os.FileInfo) bool {
	return a != nil && b != nil && a.Mode()&os.ModeDevice == 0 && os.SameFile(a, b)
}

// lines yields every line of every file until ctx ends. A read error is the
// last element.
func (in *inputs) lines(ctx context.Context) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		for i, name := range in.files {
			in.begun = i + 1
			left := len(in.files) - in.begun
			yieldFile := func(l line, err error) bool {
				if err != nil && left > 0 {
					err = fmt.Errorf("%w: not read: %d more %s", err, left, plural(left, "file"))
				}
				return yield(l, err)
			}
			if !in.verified { // a source gives the lines of an incomplete file, but no lines of a damaged file
				if err := in.verifyFile(ctx, i); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
					if ctx.Err() == nil {
						yieldFile(line{}, err)
					}
					return
				}
			}
			if !in.file(ctx, name, yieldFile) {
				return
			}
		}
	}
}

// file yields the lines of one file. When ctx ends, file stops without an
// error, even while it waits for the file.
func (in *inputs) file(ctx context.Context, name string, yield func(line, error) bool) bool {
	fail := func(err error) bool { return ctx.Err() == nil && yield(line{}, err) }
	r, close, err := in.open(ctx, name)
	if err != nil {
		return fail(err)
	}
	defer close()
	if filepath.Dir(name) == in.short {
		name = filepath.Base(name)
	}
	br := bufio.NewReaderSize(r, 256<<10)
	end := int64(0)
	if start, err := br.Peek(len(byteOrderMark)); err == nil && string(start) == byteOrderMark {
		n, _ := br.Discard(len(start)) // the bytes are in the buffer
		end = int64(n)
	}
	if start, err := br.Peek(len(ocf.Magic)); err == nil && string(start) == ocf.Magic {
		return containerLines(ctx, name, br, func(l line, err error) bool {
			if err != nil {
				return fail(err)
			}
			return yield(l, nil)
		})
	}
	_, compressed := r.(unpacked)
	for no := int64(1); ctx.Err() == nil; no++ {
		text, n, err := readLine(br)
		if end += n; compressed {
			end = 0
		}
		switch {
		case errors.Is(err, io.EOF):
			return true
		case errors.Is(err, errLongLine):
			if !yield(line{file: name, no: no, end: end, text: text, err: err}, nil) {
				return false
			}
		case err != nil:
			if compressed {
				err = explainGzip(err)
			}
			return fail(fmt.Errorf("%s:%d: %w", name, no, err))
		default:
			if !yield(line{file: name, no: no, end: end, text: text}, nil) {
				return false
			}
		}
	}
	return false
}

// open detects gzip by the first bytes of the file, not by its name.
func (in *inputs) open(ctx context.Context, name string) (io.Reader, func(), error) {
	raw, close := in.read(ctx, name)
	br := bufio.NewReaderSize(&counted{raw, &in.Read}, 256<<10)
	magic, err := br.Peek(longestStart)
	if err == nil || errors.Is(err, io.EOF) { // the file may be shorter
		err = refuseFormat(name, magic)
	}
	if err != nil {
		close()
		return nil, nil, err
	}
	if !bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) {
		return br, close, nil // also for files shorter than two bytes
	}
	gz, err := gzip.NewReader(br)
	if err != nil {
		close()
		return nil, nil, fmt.Errorf("%s: %w", name, explainGzip(err))
	}
	out := unpacked{bufio.NewReader(gz)}
	start, _ := out.Peek(longestStart) // the next read returns the error
	if err = refuseFormat(name, start); err == nil && bytes.HasPrefix(start, []byte{0x1f, 0x8b}) {
		err = fmt.Errorf("%s is compressed twice: decompress the file once", name)
	}
	if err != nil {
		close()
		return nil, nil, err
	}
	return out, close, nil
}

// unpacked is the content of a compressed file.
type unpacked struct{ *bufio.Reader }

// read opens and reads a file in another goroutine. A pipe may let both calls
// wait for ever, and neither call ends with ctx. So when ctx ends, the reader
// returns the reason at once, and read leaves the goroutine to the end of the
// process.
func (in *inputs) read(ctx context.Context, name string) (io.Reader, func()) {
	r, w := io.Pipe()
	stop := context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })
	go func() {
		if name == "-" {
			_, err := io.Copy(w, in.stdin)
			w.CloseWithError(err)
			return
		}
		f, err := os.Open(name)
		if err == nil {
			err = in.copy(w, f, name)
			f.Close()
		}
		w.CloseWithError(err)
	}()
	return r, func() {
		stop()
		r.Close()
	}
}

// copy copies a file. If the file changes in a way that hides lines, copy
// returns an error.
func (in *inputs) copy(w io.Writer, f *os.File, name string) error {
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if i := slices.Index(in.files, name); i >= 0 && !os.SameFile(now, in.infos[i]) {
		return fmt.Errorf("%s was replaced during the run: name rotated files under their new names too", name)
	}
	n, err := io.Copy(w, f)
	if err == nil && now.Mode().IsRegular() && n < now.Size() {
		err = fmt.Errorf("the file was truncated during the run: it ends at byte %d, and had %d bytes", n, now.Size())
	}
	return err
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

// byteOrderMark is at the start of some files in UTF-8, for example of Excel.
// The mark is no part of the first line.
const byteOrderMark = "\xef\xbb\xbf"

// firstLine returns the first line of a file that is not empty.
func (in *inputs) firstLine(ctx context.Context, name string) (first line, err error) {
	in.file(ctx, name, func(l line, failed error) bool {
		first, err = line{file: l.file, no: l.no, text: bytes.Clone(l.text)}, failed
		return err == nil && isEmpty(l.text)
	})
	return first, errors.Join(err, ctx.Err())
}

func isEmpty(text []byte) bool { return len(bytes.TrimSpace(text)) == 0 }

var errLongLine = fmt.Errorf("longer than %d bytes", maxLine)

// readLine returns a line without its line feed, and the number of bytes that
// were read. If a line is too long, readLine returns the beginning and
// errLongLine. The last line needs no line feed.
func readLine(br *bufio.Reader) ([]byte, int64, error) {
	text, err := br.ReadSlice('\n')
	n := int64(len(text))
	if err == nil {
		return bytes.TrimSuffix(text[:len(text)-1], []byte("\r")), n, nil
	}
	if errors.Is(err, io.EOF) && len(text) > 0 {
		return bytes.TrimSuffix(text, []byte("\r")), n, nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return nil, n, err
	}
	long := bytes.Clone(text)
	for errors.Is(err, bufio.ErrBufferFull) {
		text, err = br.ReadSlice('\n')
		n += int64(len(text))
		if len(long) <= maxLine+len("\r\n") {
			long = append(long, text...)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, n, err
	}
	long = bytes.TrimSuffix(bytes.TrimSuffix(long, []byte("\n")), []byte("\r"))
	if len(long) > maxLine {
		return long[:100], n, errLongLine
	}
	return long, n, nil
}

// guessFormat guesses the format of a file. text is the first line of the file
// that is not empty.
func guessFormat(text []byte) string {
	t, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\r")) // the parser reports the carriage return
	switch {
	case bytes.HasPrefix(t, []byte("{")), bytes.HasPrefix(t, []byte("[{")), string(t) == "[":
		return "json" // an array is an error, and the parser of JSON explains the error
	default:
		if _, ok := separator(t); ok {
			return "csv"
		}
		return "combined"
	}
}
