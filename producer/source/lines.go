package source

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Line is one line of a file.
type Line struct {
	File   string
	Number int64 // from 1
	// Offset is the byte at which the line begins. In a compressed file, the
	// offset counts bytes after decompression.
	Offset int64
	// Text is the line without its line feed and without a carriage return
	// before the line feed. All other bytes stay, for example a byte order mark
	// in the first line. The caller may keep Text, but must not change it,
	// because lines share memory.
	Text []byte
	// Header is the first line of the file, for formats that need it. Header is
	// also set after a restart.
	Header []byte
	// Err is nil or [ErrLineTooLong]. With the error, Text is only the
	// beginning of the line.
	Err error
}

var (
	// ErrLineTooLong says that a line is longer than [WithMaxLine] allows. The
	// reader continues with the next line.
	ErrLineTooLong = errors.New("source: line too long")
	// ErrFileShrank says that a file was truncated. There are two cases. The
	// file is now shorter than the part that was read earlier, although the
	// first bytes are the same. Or the file became shorter while it was read.
	// [Restart] reads the file from the beginning.
	ErrFileShrank = errors.New("source: file was truncated")
	// ErrFileGone says that a file was renamed, removed or replaced before its
	// end was read, and that no other path has the file. A Source finds this
	// when it opens its files again. The error comes once, so the next Run goes
	// on without the rest of the file.
	ErrFileGone = errors.New("source: file is gone before its end was read")
)

const (
	// maxHead is the number of bytes at the beginning of a file that identify
	// the file. The first lines of a log contain a time, so two logs differ
	// within these bytes.
	maxHead = 4096
	// maxTail is the number of bytes before a position that identify the file
	// too. Some files have the same long header, for example exports.
	maxTail = 4096
	// blockSize is the size of a memory block that lines share.
	blockSize = 64 << 10
)

// afterTruncation ends the text of [ErrFileShrank].
const afterTruncation = "restore the file, or read it again with source.Restart"

// lineReader reads the lines of one file, and records how far it has read.
type lineReader struct {
	path    string
	matched *fileIdentity // the file to which offset belongs, or nil for any file
	offset  int64
	lines   int64
	size    int64 // the size of the file when it was opened
	// packedSize is the size of a compressed file when it was matched, or 0.
	packedSize int64
	fileID     string // see the function fileID
	head       []byte // the first bytes read, up to maxHead
	tail       []byte // ends with the last bytes read, with maxTail bytes if there were so many
	header     []byte // the first line
	last       byte   // the last byte read
	ended      bool   // next returns no more line
	shrank     error  // the file became shorter while it was read

	lineStart   int               // the length of tail before the present line
	headSum     [sha256.Size]byte // of the first headSummed bytes of head
	headSummed  int
	maxLine     int
	block       []byte // free memory for lines
	long        []byte // a line that is longer than the buffer
	compression io.Closer
	file        *os.File
	reader      *bufio.Reader
}

// openPlain opens a file and removes its compression.
func (r *lineReader) openPlain() error {
	info, err := os.Stat(r.path) // before Open, because opening a pipe may wait forever
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("source: %s: %w, but %v: Files reads a file several times, for example to recognize it: "+
			"copy the data to a file, or write an Input", r.path, errNotRegular, info.Mode())
	}
	f, err := os.Open(r.path)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	r.file, r.compression, r.size, r.fileID = f, nil, info.Size(), fileID(f)
	r.reader = bufio.NewReaderSize(f, blockSize)
	magic, err := r.checkFormat()
	if err != nil || !bytes.HasPrefix(magic, []byte(gzipMagic)) {
		return err
	}
	z, err := gzip.NewReader(r.reader)
	if err != nil {
		r.close()
		return fmt.Errorf("source: %s: %w", r.path, explainGzip(err))
	}
	r.compression = z
	r.reader = bufio.NewReaderSize(z, blockSize)
	_, err = r.checkFormat()
	return err
}

// checkFormat returns the first bytes of the reader. If the bytes are of a file
// without lines of text, checkFormat closes the file and returns an error.
func (r *lineReader) checkFormat() ([]byte, error) {
	magic, _ := r.reader.Peek(longestMagic) // the next read returns the error
	format := otherFormat(magic)
	if format == "" && r.compression != nil && bytes.HasPrefix(magic, []byte(gzipMagic)) {
		format = "compressed twice"
	}
	if format == "" {
		return magic, nil
	}
	r.close()
	return nil, fmt.Errorf("source: %s: the file is %s, but Files reads plain text and gzip: convert the file, or remove it from the list", r.path, format)
}

// gzipMagic are the first bytes of a file that is compressed with gzip.
const gzipMagic = "\x1f\x8b"

// longestMagic is the number of bytes that otherFormat needs.
const longestMagic = 262

// otherFormat returns the format of a file that has no lines of text, or "".
// Such a file would give lines of garbage.
func otherFormat(magic []byte) string {
	at := func(place int, text string) bool {
		return len(magic) > place && bytes.HasPrefix(magic[place:], []byte(text))
	}
	begins := func(prefix string) bool { return at(0, prefix) }
	switch {
	case begins("\x28\xb5\x2f\xfd"):
		return "compressed with zstd"
	case begins("\xfd7zXZ\x00"):
		return "compressed with xz"
	case begins("BZh") && at(4, "1AY&SY"): // between both is the level
		return "compressed with bzip2"
	case begins("\x04\x22\x4d\x18"):
		return "compressed with lz4"
	case begins("\x1f\x9d"):
		return "compressed with compress"
	case begins("PK\x03\x04"):
		return "a zip archive"
	case begins("\xff\xfe"), begins("\xfe\xff"):
		return "in UTF-16"
	case at(257, "ustar") && bytes.IndexByte(magic, 0) >= 0: // the name of the first file ends with a zero byte
		return "a tar archive"
	}
	return ""
}

// errNotRegular says that a path does not name a regular file.
var errNotRegular = errors.New("not a regular file")

// readHead returns the first bytes of a file, up to most.
func readHead(path string, most int) (*fileHead, error) {
	r := lineReader{path: path}
	if err := r.openPlain(); err != nil {
		return nil, err
	}
	defer r.close()
	head, err := io.ReadAll(io.LimitReader(r.reader, int64(most)))
	if err != nil {
		return nil, fmt.Errorf("source: %s: %w", path, r.explain(err))
	}
	return &fileHead{path: path, data: head, packed: r.compression != nil, size: r.size, id: r.fileID}, nil
}

// errReplaced says that a path has another file than a moment before. It is
// temporary, because the next Open finds the position of the other file.
var errReplaced = errors.New("another file got this name before the file was read, for example by log rotation")

// open moves to r.offset, where an earlier run has stopped. If the path has
// another file than r.matched, open returns errReplaced. If the rest of the
// file is compressed and damaged, open returns an error.
func (r *lineReader) open(ctx context.Context) error {
	err := r.openAt(r.offset)
	if err != nil || r.compression == nil {
		return err
	}
	if err := r.verify(ctx); err != nil {
		r.close()
		return err
	}
	return nil
}

// verify reads a compressed file to its end. The checksum is at the end, and
// lines from the damaged part of a file have another text. Two faults are no
// error here, because the lines before them are right: the file is incomplete,
// or other bytes come after the compressed content. verify does not move r.
func (r *lineReader) verify(ctx context.Context) error {
	if _, err := r.reader.Peek(1); errors.Is(err, io.EOF) {
		return nil // no line is left, and the checksum was read
	}
	whole := lineReader{path: r.path, matched: r.matched}
	if err := whole.openMatched(); err != nil {
		return err
	}
	defer whole.close()
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("source: Files: %w", context.Cause(ctx))
		}
		_, err := io.CopyN(io.Discard, whole.reader, 16*blockSize)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, gzip.ErrHeader):
			return nil
		case err != nil:
			return fmt.Errorf("source: %s: %w", r.path, whole.explain(err))
		}
	}
}

// openAt opens the file and moves to the byte to.
func (r *lineReader) openAt(to int64) error {
	r.offset, r.head, r.tail, r.headSummed, r.ended, r.shrank = 0, nil, nil, 0, false, nil
	if to == 0 {
		return r.openMatched()
	}
	first := lineReader{path: r.path, matched: r.matched, maxLine: r.maxLine}
	if err := first.openMatched(); err != nil {
		return err
	}
	header, _, err := first.line()
	first.close()
	if err != nil {
		return err
	}
	r.header = header
	if err := r.openMatched(); err != nil {
		return err
	}
	if err = r.skip(to); err == nil {
		err = r.skipLineFeed()
	}
	if err != nil {
		r.close()
	}
	return err
}

// openMatched opens the file if it is still the file of r.matched.
func (r *lineReader) openMatched() error {
	if err := r.openPlain(); err != nil || r.matched == nil {
		return err
	}
	head, err := r.reader.Peek(r.matched.size)
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("source: %s: %w", r.path, r.explain(err))
	case r.fileID != r.matched.id || sha256.Sum256(head) != r.matched.sum:
		err = Temporary(fmt.Errorf("source: %s: %w", r.path, errReplaced))
	default:
		return nil
	}
	r.close()
	return err
}

func (r *lineReader) close() {
	if r.compression != nil {
		_ = r.compression.Close() // a close error is harmless after reading
	}
	if r.file != nil {
		_ = r.file.Close()
	}
	r.compression, r.file = nil, nil
}

// skip moves n bytes forward, and keeps the head and the tail.
func (r *lineReader) skip(n int64) error {
	begin := min(n, int64(maxHead-len(r.head)))
	end := min(n-begin, maxTail)
	if err := r.read(begin); err != nil {
		return err
	}
	if err := r.discard(n - begin - end); err != nil {
		return err
	}
	return r.read(end)
}

// read reads n bytes.
func (r *lineReader) read(n int64) error {
	r.startLine()
	part := make([]byte, n)
	k, err := io.ReadFull(r.reader, part)
	r.advance(part[:k])
	if err != nil {
		return r.readError(err)
	}
	return nil
}

// discard moves n bytes forward, and keeps nothing of them.
func (r *lineReader) discard(n int64) error {
	if r.compression == nil && n > blockSize {
		if info, err := r.file.Stat(); err == nil && info.Size() >= r.offset+n {
			if _, err := r.file.Seek(r.offset+n, io.SeekStart); err != nil {
				return r.readError(err)
			}
			r.reader.Reset(r.file)
			r.offset += n
			return nil
		}
	}
	k, err := io.CopyN(io.Discard, r.reader, n)
	r.offset += k
	if err != nil {
		return r.readError(err)
	}
	return nil
}

func (r *lineReader) readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w: it ends at byte %d, before the committed position: %s", r.path, ErrFileShrank, r.offset, afterTruncation)
	}
	return fmt.Errorf("source: %s: %w", r.path, r.explain(err))
}

// explain says what to do about an error of reading.
func (r *lineReader) explain(err error) error {
	if r.compression == nil {
		return err
	}
	return explainGzip(err)
}

func explainGzip(err error) error {
	const repair = "replace the file by its readable lines (zcat FILE >NEWFILE), or remove it from the list"
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("gzip: the file is incomplete: %w: if a program still writes the file, run again later; otherwise "+repair, io.ErrUnexpectedEOF)
	case errors.Is(err, gzip.ErrHeader): // after content that is right
		return fmt.Errorf("the file is damaged: %w: "+repair, err)
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, new(flate.CorruptInputError)):
		return fmt.Errorf("the file is damaged: %w: copy the file again from its origin. Otherwise look at its lines (zcat FILE >NEWFILE), because some are wrong, or remove it from the list", err)
	}
	return err
}

// skipLineFeed skips the line feed of the last line, if the line had no line
// feed when an earlier run read the line.
func (r *lineReader) skipLineFeed() error {
	if r.last == '\n' {
		return nil
	}
	b, err := r.reader.Peek(1)
	if err != nil || b[0] != '\n' {
		return nil //nolint:nilerr // end of file, or text was appended to the line: next reports both cases
	}
	return r.skip(1)
}

// next stores the next line. At the end of the file, next returns false. If the
// file has grown since its opening, next does not return a line without a line
// feed, because a program may still write this line. If the file is shorter
// than at its opening, next returns [ErrFileShrank], now and at each later
// call.
func (r *lineReader) next(l *Line) (bool, error) {
	if r.ended || r.shrank != nil {
		return false, r.shrank
	}
	at, head, last := r.offset, len(r.head), r.last
	r.startLine()
	text, long, err := r.line()
	if err != nil {
		r.offset, r.head, r.tail, r.last = at, r.head[:head], r.tail[:r.lineStart], last
		return false, err
	}
	if end := r.offset; (end == at || r.last != '\n') && r.compression == nil && end != r.size {
		r.offset, r.head, r.tail, r.last, r.ended = at, r.head[:head], r.tail[:r.lineStart], last, true
		if end < r.size {
			r.shrank = fmt.Errorf("%s: %w while it was read: it ends at byte %d, and had %d bytes: %s", r.path, ErrFileShrank, end, r.size, afterTruncation)
		}
		return false, r.shrank
	}
	if r.offset == at {
		return false, nil
	}
	r.lines++
	if r.lines == 1 {
		r.header = text
	}
	*l = Line{File: r.path, Number: r.lines, Offset: at, Text: text, Header: r.header}
	if long {
		l.Err = fmt.Errorf("%w: more than %d bytes", ErrLineTooLong, r.maxLine)
	}
	return true, nil
}

// line reads one line and keeps at most maxLine bytes of it.
func (r *lineReader) line() (text []byte, long bool, err error) {
	part, err := r.reader.ReadSlice('\n')
	r.advance(part)
	if !errors.Is(err, bufio.ErrBufferFull) {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, false, fmt.Errorf("source: %s: at byte %d: %w", r.path, r.offset, r.explain(err))
		}
		return r.keep(part)
	}
	most := r.maxLine + 2 // including the end of the line
	r.long = r.long[:0]
	for {
		room := most - len(r.long)
		r.long = append(r.long, part[:min(room, len(part))]...)
		long = long || room < len(part)
		switch {
		case err == nil, errors.Is(err, io.EOF):
			text, cut, err := r.keep(r.long)
			return text, cut || long, err
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, fmt.Errorf("source: %s: at byte %d: %w", r.path, r.offset, r.explain(err))
		}
		part, err = r.reader.ReadSlice('\n')
		r.advance(part)
	}
}

// advance records bytes that were read.
func (r *lineReader) advance(part []byte) {
	if len(part) == 0 {
		return
	}
	r.offset += int64(len(part))
	r.last = part[len(part)-1]
	if missing := maxHead - len(r.head); missing > 0 {
		r.head = append(r.head, part[:min(missing, len(part))]...)
	}
	r.tail = append(r.tail, part[max(0, len(part)-maxTail):]...)
	if len(r.tail)-r.lineStart > 2*maxTail { // a long line
		r.tail = slices.Delete(r.tail, r.lineStart, len(r.tail)-maxTail)
	}
}

// startLine notes that the tail is complete up to here. Sometimes it also makes
// the tail shorter.
func (r *lineReader) startLine() {
	if len(r.tail) > 3*maxTail {
		r.tail = slices.Delete(r.tail, 0, len(r.tail)-maxTail)
	}
	r.lineStart = len(r.tail)
}

// keep copies a line out of the buffer, without its line end.
func (r *lineReader) keep(line []byte) (text []byte, long bool, err error) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
	if long = len(line) > r.maxLine; long {
		line = line[:r.maxLine]
	}
	if len(line) > len(r.block) {
		if len(line) > blockSize/4 {
			return bytes.Clone(line), long, nil
		}
		r.block = make([]byte, blockSize)
	}
	text = r.block[:len(line):len(line)]
	copy(text, line)
	r.block = r.block[len(line):]
	return text, long, nil
}

// identity returns how many bytes of the file's beginning were read, and their
// checksum. The checksum covers at most maxHead bytes.
func (r *lineReader) identity() (size int, sum [sha256.Size]byte) {
	if r.headSummed != len(r.head) || r.headSummed == 0 {
		r.headSum, r.headSummed = sha256.Sum256(r.head), len(r.head)
	}
	return r.headSummed, r.headSum
}

// tailSize returns the number of bytes before offset that belong to the tail of
// a position. The bytes of the head do not belong to the tail.
func tailSize(offset int64) int { return int(min(max(offset-maxHead, 0), maxTail)) }

// tailSum returns the checksum of the last bytes read, in the form of a
// position. Without a tail, the checksum is empty.
func (r *lineReader) tailSum() string {
	size := tailSize(r.offset)
	if size == 0 {
		return ""
	}
	sum := sha256.Sum256(r.tail[len(r.tail)-size:])
	return hex.EncodeToString(sum[:])
}

// Where returns the file and the number of the line, as FILE:NUMBER.
func (l Line) Where() string { return fmt.Sprintf("%s:%d", l.File, l.Number) }
