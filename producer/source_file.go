package producer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer/checkpoint"
)

// headMost is how much of a file's beginning its checksum covers at most. A log's first lines hold a time, so that no two
// files begin alike for that long.
const headMost = 4096

// sourceFile is a file and how far it is read.
type sourceFile struct {
	path   string
	id     uuid.UUID
	offset int64
	lines  int64
	head   []byte // the first bytes read, up to headMost
	header []byte // the first line
	last   byte   // the last byte read

	most   int
	closer []io.Closer
	reader *bufio.Reader
}

// openPlain opens a file and takes the compression off.
func openPlain(path string) (*bufio.Reader, []io.Closer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("producer: source: %w", err)
	}
	r := bufio.NewReaderSize(f, 64<<10)
	if magic, _ := r.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return r, []io.Closer{f}, nil
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("producer: source: %s: gzip: %w", path, err)
	}
	return bufio.NewReaderSize(z, 64<<10), []io.Closer{z, f}, nil
}

// readHead is the beginning of a file, up to most bytes.
func readHead(path string, most int) ([]byte, error) {
	r, closers, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	defer closeAll(closers)
	head, err := io.ReadAll(io.LimitReader(r, int64(most)))
	if err != nil {
		return nil, fmt.Errorf("producer: source: %s: %w", path, err)
	}
	return head, nil
}

func closeAll(closers []io.Closer) {
	for _, c := range closers {
		_ = c.Close() // only read
	}
}

// open goes to where the file was left.
func (f *sourceFile) open(most int) (err error) {
	f.most = most
	to := f.offset
	if to > 0 { // the first line first, for who needs it
		first := &sourceFile{path: f.path, most: most}
		if err := first.open(most); err != nil {
			return err
		}
		f.header, _, err = first.line()
		first.close()
		if err != nil {
			return err
		}
	}
	if f.reader, f.closer, err = openPlain(f.path); err != nil || to == 0 {
		return err
	}
	f.offset, f.head = 0, nil
	if err = f.skip(to); err == nil {
		err = f.skipLineFeed()
	}
	if err != nil {
		f.close()
	}
	return err
}

func (f *sourceFile) close() { closeAll(f.closer) }

// skip reads over n bytes.
func (f *sourceFile) skip(n int64) error {
	if missing := headMost - len(f.head); missing > 0 && n > 0 {
		part := make([]byte, min(int64(missing), n))
		k, err := io.ReadFull(f.reader, part)
		f.head = append(f.head, part[:k]...)
		f.offset += int64(k)
		n -= int64(k)
		if err != nil {
			return f.short(err)
		}
		f.last = part[k-1]
	}
	if n > 1 {
		k, err := io.CopyN(io.Discard, f.reader, n-1)
		f.offset += k
		if err != nil {
			return f.short(err)
		}
	}
	if n > 0 {
		b, err := f.reader.ReadByte()
		if err != nil {
			return f.short(err)
		}
		f.offset++
		f.last = b
	}
	return nil
}

func (f *sourceFile) short(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: %w: it ends at %d", f.path, ErrFileShrank, f.offset)
	}
	return fmt.Errorf("producer: source: %s: %w", f.path, err)
}

// skipLineFeed reads over the end of a line that had none when it was read.
func (f *sourceFile) skipLineFeed() error {
	if f.last == '\n' {
		return nil
	}
	b, err := f.reader.Peek(1)
	if err != nil || b[0] != '\n' {
		return nil //nolint:nilerr // at the end, or a line that goes on: next tells
	}
	return f.skip(1)
}

// next gives the next line; false: the file is at its end.
func (f *sourceFile) next() (Line, bool, error) {
	at := f.offset
	text, long, err := f.line()
	if err != nil || f.offset == at {
		return Line{}, false, err
	}
	f.lines++
	l := Line{File: f.path, Number: f.lines, Offset: at, Text: text}
	if long {
		l.Err = fmt.Errorf("%w: more than %d bytes", ErrLineTooLong, f.most)
	}
	if f.lines == 1 {
		f.header = text
	}
	l.Header = f.header
	return l, true, nil
}

// line reads one line, of which it keeps no more than the bound.
func (f *sourceFile) line() (text []byte, long bool, err error) {
	for {
		part, err := f.reader.ReadSlice('\n')
		f.offset += int64(len(part))
		if len(part) > 0 {
			f.last = part[len(part)-1]
		}
		if missing := headMost - len(f.head); missing > 0 {
			f.head = append(f.head, part[:min(missing, len(part))]...)
		}
		room := f.most + 2 - len(text) // with its end
		text = append(text, part[:min(room, len(part))]...)
		long = long || room < len(part)
		switch {
		case err == nil, errors.Is(err, io.EOF):
			text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\r'})
			if len(text) > f.most {
				text, long = text[:f.most], true
			}
			return text, long, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, fmt.Errorf("producer: source: %s: at %d: %w", f.path, f.offset, err)
		}
	}
}

// position is how far the file is read now.
func (f *sourceFile) position(source string) *checkpoint.FilePosition {
	return &checkpoint.FilePosition{
		Source: source, FileID: f.id, Path: f.path, Offset: f.offset, Lines: f.lines,
		HeadSize: int32(len(f.head)), HeadSha256: sha256.Sum256(f.head),
	}
}

// match finds out for each file what is known of it.
func (s *Source) match(known []*checkpoint.FilePosition) ([]*sourceFile, error) {
	heads := map[string][]byte{}
	headOf := func(path string) ([]byte, error) {
		if h, ok := heads[path]; ok {
			return h, nil
		}
		h, err := readHead(path, headMost)
		if err == nil {
			heads[path] = h
		}
		return h, err
	}
	begins := func(path string, p *checkpoint.FilePosition) bool {
		h, err := headOf(path)
		return err == nil && len(h) >= int(p.HeadSize) && sha256.Sum256(h[:p.HeadSize]) == [32]byte(p.HeadSha256)
	}
	taken := map[uuid.UUID]bool{}
	files := make([]*sourceFile, len(s.config.Files))
	take := func(i int, p *checkpoint.FilePosition) {
		taken[p.FileID] = true
		files[i] = &sourceFile{path: s.config.Files[i], id: p.FileID, offset: p.Offset, lines: p.Lines}
	}
	for i, path := range s.config.Files { // files under their old names first
		if _, err := headOf(path); err != nil {
			return nil, err
		}
		for _, p := range known {
			if files[i] == nil && !taken[p.FileID] && samePath(p.Path, path) && begins(path, p) {
				take(i, p)
			}
		}
	}
	for i, path := range s.config.Files {
		for _, p := range known { // then those that were renamed: what is under the old name now is another file, or none
			if files[i] == nil && !taken[p.FileID] && begins(path, p) && !begins(p.Path, p) {
				take(i, p)
			}
		}
		if files[i] == nil {
			id, err := uuid.NewV7()
			if err != nil {
				return nil, fmt.Errorf("producer: source: %w", err)
			}
			files[i] = &sourceFile{path: path, id: id}
		}
	}
	return files, nil
}

func samePath(a, b string) bool { return filepath.Clean(a) == filepath.Clean(b) }
