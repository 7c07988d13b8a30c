package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"unicode/utf8"
)

// FilesOption changes how [Files] reads. The zero FilesOption does nothing.
type FilesOption struct {
	name  string
	apply func(*files)
}

// WithMaxLine bounds the length of a line in bytes. A longer line is delivered
// shortened, with [ErrLineTooLong]. Default 1 MiB.
func WithMaxLine(bytes int) FilesOption {
	return FilesOption{"WithMaxLine", func(f *files) { f.maxLine = bytes }}
}

// Files reads files line by line, in the given order. It reads each file to its
// current end. Files detects gzip compression by the content of a file. Other
// compressed files, tar archives and files in UTF-16 are an error.
//
// The position of a file includes checksums of the first 4 KiB and of the last
// 4 KiB before the position. So Files continues in a file that grew. A file
// that was renamed, for example by log rotation, keeps its position under the
// new name, even if the file is now compressed. A file with an old name but
// other content is a new file. So name a log under the new name too, for
// example with filepath.Glob. If a file loses its name while a Run waits to try
// again, Run ends with [ErrFileGone].
//
// A file of which Files has read less than 4 KiB keeps its position under a new
// name only in two cases. Either the file is still the same file of the file
// system, which Files sees on Linux with most file systems. Or Files cannot see
// this, for example because the file is now compressed, and the new name begins
// with the old name without its rotation number. For example, access.log.1 may
// become access.log.2.gz. A copy under another name is a new file. A file under
// its old name that begins with the same bytes is the old file, unless Files
// sees that another file of the list is the old file. So give each file of a
// spool folder a name of its own.
//
// While gzip works, both NAME and NAME.gz exist, and with gzip -k also
// afterwards. If the list has both names, Files compares the contents. If
// NAME.gz has the lines of NAME or their beginning, Files reads only NAME.
// Files does not recognize other copies, for example of another program that
// compresses to another name. Then the pattern must match only one of the two.
//
// Files also reads a last line without a line feed, unless the file has grown
// since Files opened the file. If a program later appends text to a line that
// was read, Files returns the appended text as a separate line. So a log must
// end with a complete line when Files opens the log.
//
// Before the first line of a compressed file, Files reads the file to its
// checksum. So Files gives no line of a damaged file.
//
// Each path must name a regular file, and each file must have only one path.
// Files refuses a pipe.
func Files(paths []string, opts ...FilesOption) Input[Line] {
	f := &files{paths: slices.Clone(paths), maxLine: 1 << 20}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(f)
		}
	}
	return f
}

type files struct {
	paths   []string
	maxLine int
	// unread is the file that the last reader left before its end, or nil.
	unread atomic.Pointer[filePosition]
}

// check returns an error if the arguments of Files are wrong.
func (f *files) check() error {
	if f.maxLine < 1 {
		return fmt.Errorf("WithMaxLine: %d: must be positive", f.maxLine)
	}
	seen := make(map[string]bool, len(f.paths))
	for _, path := range f.paths {
		if seen[filepath.Clean(path)] {
			return fmt.Errorf("Files: %q is named twice: its lines would be read twice", path)
		}
		seen[filepath.Clean(path)] = true
	}
	return nil
}

// filePosition is the text of a position. The stream is the id of the file,
// because the path of a file may change.
type filePosition struct {
	Path       string `json:"path"`
	PathBytes  []byte `json:"path_bytes,omitempty"` // the path, if it is not UTF-8
	Offset     int64  `json:"offset"`
	Lines      int64  `json:"lines"`
	HeadSize   int    `json:"head_size"`
	HeadSHA256 string `json:"head_sha256"`
	TailSHA256 string `json:"tail_sha256,omitempty"` // see tailSize
	FileID     string `json:"file_id,omitempty"`     // see fileID

	id  string
	sum [sha256.Size]byte
}

// notOfFiles ends the error of a position that Files cannot read.
const notOfFiles = "Files did not write this position: if another input used the name of the source before, choose another name"

func parseFilePosition(p Position) (*filePosition, error) {
	at := filePosition{id: p.Stream}
	if err := json.Unmarshal([]byte(p.Value), &at); err != nil {
		return nil, fmt.Errorf("position of stream %s: %q: %w: %s", p.Stream, p.Value, err, notOfFiles)
	}
	sum, err := hex.DecodeString(at.HeadSHA256)
	if err != nil || len(sum) != len(at.sum) || at.Offset < 0 || at.Lines < 0 || at.HeadSize < 0 || at.HeadSize > maxHead {
		return nil, fmt.Errorf("position of stream %s: %q: impossible values: %s", p.Stream, p.Value, notOfFiles)
	}
	copy(at.sum[:], sum)
	if len(at.PathBytes) > 0 {
		at.Path = string(at.PathBytes)
	}
	return &at, nil
}

var errFilesSharded = errors.New("source: files cannot be shared out: give each instance its own files and its own name, without WithShards")

// Open implements [Input].
func (f *files) Open(ctx context.Context, shard Shard, committed []Position) (Reader[Line], error) {
	if shard.Count != 1 {
		return nil, errFilesSharded
	}
	known := make([]*filePosition, len(committed))
	for i, p := range committed {
		at, err := parseFilePosition(p)
		if err != nil {
			return nil, fmt.Errorf("source: %w", err)
		}
		known[i] = at
	}
	slices.SortFunc(known, comparePositions)
	matched, err := f.match(ctx, known)
	if err != nil {
		return nil, err
	}
	return &filesReader{input: f, files: matched}, nil
}

// streamFile is a file with the id of its stream.
type streamFile struct {
	id string
	lineReader
}

// checkSame returns an error if two paths name the same file, for example
// because one path is a link. A symbolic link has the path of its target. For
// other links, checkSame compares the files that look alike. Comparing all
// files would take too long for many thousands of paths.
func (f *files) checkSame(ctx context.Context) error {
	type file struct {
		path string
		info os.FileInfo
	}
	byPath := make(map[string]string, len(f.paths))
	byLook := make(map[look][]file, len(f.paths))
	same := func(a, b string) error {
		return fmt.Errorf("source: Files: %q and %q are the same file: its lines would be read twice: name only one of them", a, b)
	}
	for _, path := range f.paths {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("source: Files: %w", context.Cause(ctx))
		}
		target, err := filepath.EvalSymlinks(path)
		if err != nil { // for example a path that only the system can open
			target = path
		}
		if other, ok := byPath[target]; ok {
			return same(other, path)
		}
		byPath[target] = path
		info, err := os.Stat(target)
		if err != nil {
			return fmt.Errorf("source: %w", err)
		}
		alike := lookOf(info)
		for _, other := range byLook[alike] {
			if os.SameFile(info, other.info) {
				return same(other.path, path)
			}
		}
		byLook[alike] = append(byLook[alike], file{path, info})
	}
	return nil
}

func samePath(a, b string) bool { return filepath.Clean(a) == filepath.Clean(b) }

// filesReader reads one file after the other.
type filesReader struct {
	input *files
	files []*streamFile // the reader is in the first file
	open  bool          // the first file is open
	read  bool          // the first file gave a line since the last Positions
	done  []Position    // of the files that ended since the last Positions
	// opened is the cost of the files that were opened since the last
	// Positions, see longOpening.
	opened int64
	err    error // the error that ended the reader
}

// Next implements [Reader]. If the reader fails after it has returned lines,
// Next first says that there is no line now. So the source commits the lines
// that were read. The next call returns the error.
func (r *filesReader) Next(ctx context.Context, item *Item[Line]) (bool, error) {
	if r.err != nil {
		return false, r.err
	}
	ok, err := r.next(ctx, item)
	if err != nil && ctx.Err() == nil {
		r.err = err
		if r.read || len(r.done) > 0 {
			return false, nil
		}
	}
	return ok, err
}

// longOpening bounds the files that are opened inside of a transaction, because
// the transaction could time out meanwhile, and each further attempt too. It is
// in bytes of compressed files, which are read from their beginning. Each file
// counts fileCost bytes more.
const (
	longOpening = 1 << 20
	fileCost    = 4 << 10
)

func (r *filesReader) next(ctx context.Context, item *Item[Line]) (bool, error) {
	for len(r.files) > 0 {
		file := r.files[0]
		if !r.open {
			if len(r.done) > 0 {
				if r.opened += file.packedSize + fileCost; r.opened > longOpening {
					return false, nil // commit the lines first, and the next call opens the file
				}
			}
			if err := file.lineReader.open(ctx); err != nil {
				return false, err
			}
			r.open = true
		}
		ok, err := file.next(&item.Value)
		if err != nil {
			return false, err
		}
		if ok {
			item.Bytes = len(item.Value.Text)
			r.read = true
			return true, nil
		}
		if r.read {
			r.done = append(r.done, file.position())
			r.read = false
		}
		file.close()
		r.files[0] = nil // frees its memory
		r.files, r.open = r.files[1:], false
	}
	return false, nil
}

// More implements [Reader]. More always returns false, because a file is read
// only to the end that the file has when the reader reaches the file.
func (r *filesReader) More(context.Context) (bool, error) { return false, nil }

// Positions implements [Reader].
func (r *filesReader) Positions() []Position {
	out := r.done
	r.done, r.opened = nil, 0
	if r.read {
		out = append(out, r.files[0].position())
		r.read = false
	}
	return out
}

// Close implements [Reader].
func (r *filesReader) Close() error {
	if r.open {
		file := r.files[0]
		if file.lines > 0 && file.shrank == nil {
			at := file.place()
			r.input.unread.Store(&at)
		}
		file.close()
		r.open = false
	}
	return nil
}

// place returns the place behind the last line that was read.
func (f *streamFile) place() filePosition {
	size, sum := f.identity()
	return filePosition{
		Path: f.path, Offset: f.offset, Lines: f.lines, HeadSize: size, HeadSHA256: hex.EncodeToString(sum[:]),
		TailSHA256: f.tailSum(), FileID: f.fileID, sum: sum,
	}
}

// position returns the position behind the last line that was read.
func (f *streamFile) position() Position {
	at := f.place()
	if !utf8.ValidString(at.Path) {
		at.PathBytes = []byte(at.Path)
	}
	text, err := json.Marshal(at)
	if err != nil { // cannot happen: a struct of strings and numbers always has a text
		panic(err)
	}
	return Position{Stream: f.id, Value: string(text)}
}
