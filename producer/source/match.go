package source

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// fileHead is the beginning of a file, without compression.
type fileHead struct {
	path   string
	data   []byte
	packed bool   // the file is compressed
	size   int64  // with compression
	id     string // see fileID
	sums   map[int][sha256.Size]byte
	tails  map[int64]fileTail // by the end of the tail
}

// identity returns what the file must still have when a reader opens the file.
func (h *fileHead) identity() *fileIdentity {
	return &fileIdentity{id: h.id, size: len(h.data), sum: sha256.Sum256(h.data)}
}

// fileIdentity distinguishes a file from another file under the same path.
type fileIdentity struct {
	id   string // see the function fileID
	size int    // the number of bytes in sum
	sum  [sha256.Size]byte
}

// fileTail is the end of the part of a file before an offset.
type fileTail struct {
	sum   string // see tailSum; empty if the file cannot be read
	short bool   // the file ends before the offset
	cut   bool   // with short: a compressed file is incomplete
}

// readTails reads the tails of a file before the offsets of positions, in one
// pass, because a compressed file can only be read from its beginning.
func (h *fileHead) readTails(positions ...*filePosition) {
	var offsets []int64
	for _, p := range positions {
		if _, known := h.tails[p.Offset]; !known && p.TailSHA256 != "" {
			offsets = append(offsets, p.Offset)
		}
	}
	if len(offsets) == 0 {
		return
	}
	if h.tails == nil {
		h.tails = map[int64]fileTail{}
	}
	slices.Sort(offsets)
	r := lineReader{path: h.path}
	err, cut := r.openPlain(), false
	defer r.close()
	for _, to := range offsets {
		if err == nil {
			if err = r.skip(to - r.offset); err != nil {
				_, end := r.reader.Peek(1)
				cut = !errors.Is(end, io.EOF)
			}
		}
		if err != nil {
			h.tails[to] = fileTail{short: errors.Is(err, ErrFileShrank), cut: cut}
		} else {
			h.tails[to] = fileTail{sum: r.tailSum()}
		}
	}
}

// tail returns the tail of the file before the offset of a position.
func (h *fileHead) tail(p *filePosition) fileTail {
	h.readTails(p)
	return h.tails[p.Offset]
}

// begins reports whether the file begins with the bytes of a position. If the
// file ends before the position or cannot be read, the head decides, and the
// reader of the file finds the error.
func (h *fileHead) begins(p *filePosition) bool {
	if len(h.data) < p.HeadSize {
		return false
	}
	sum, ok := h.sums[p.HeadSize]
	if !ok {
		if h.sums == nil {
			h.sums = map[int][sha256.Size]byte{}
		}
		sum = sha256.Sum256(h.data[:p.HeadSize])
		h.sums[p.HeadSize] = sum
	}
	if sum != p.sum {
		return false
	}
	tail := h.tail(p)
	return p.TailSHA256 == "" || tail.sum == "" || tail.sum == p.TailSHA256
}

// wasRenamed reports whether a file that begins with the bytes of a position
// may be the file of the position under another name.
//
// A head of full size and the lines before the position have the times of many
// lines, so the content decides. A short head may be the head of several files,
// for example of files in a spool folder that begin with the same line. So the
// file must be the same file of the file system. This also applies to a file
// that ends before the position. A compressed file is another file of the file
// system, and not all systems have an id of a file. Then the name decides.
func (h *fileHead) wasRenamed(p *filePosition) bool {
	switch {
	case p.HeadSize == maxHead && !h.tail(p).short:
		return true
	case h.id != "" && h.id == p.FileID:
		return true
	case h.packed && h.tail(p).short && !h.tail(p).cut: // another log, because gzip does not shorten a log
		return false
	case h.packed || h.id == "" || p.FileID == "":
		return strings.HasPrefix(stem(h.path), stem(p.Path))
	}
	return false
}

// mayReplace reports whether a file that begins with the bytes of a position
// ends before the position, and is another file of the file system. The file
// may be the next log with the same long header.
func (h *fileHead) mayReplace(p *filePosition) bool {
	return h.tail(p).short && h.id != "" && p.FileID != "" && h.id != p.FileID
}

// stem returns the name of a log without the endings of rotation and
// compression. For example, the stem of access.log.2.gz is access.log.
func stem(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".gz")
	ext := filepath.Ext(name)
	if len(ext) > 1 && strings.Trim(ext[1:], "0123456789") == "" {
		return strings.TrimSuffix(name, ext)
	}
	return name
}

// comparePositions sorts the positions of files. If a file begins with the
// bytes of several positions, the file has the first of them. The first is the
// position behind the most bytes, because logs may begin with the same header.
// Then the oldest file comes first. The ids are UUIDs of version 7.
func comparePositions(a, b *filePosition) int {
	return cmp.Or(cmp.Compare(b.Offset, a.Offset), strings.Compare(a.id, b.id))
}

// matcher finds the known position of each file. Its maps keep the number of
// comparisons small, because there may be many thousands of files.
type matcher struct {
	byPath  map[string][]*filePosition
	byHead  map[[sha256.Size]byte][]*filePosition // with heads of full size
	byFile  map[string][]*filePosition            // by the id of the file
	byStem  map[string][]*filePosition            // with shorter heads
	taken   map[*filePosition]bool
	left    map[*filePosition]bool // the result of leftItsName
	skipped map[string]bool        // the paths of copies
}

// newMatcher makes a matcher. known is sorted by comparePositions.
func newMatcher(known []*filePosition, skipped map[string]bool) *matcher {
	m := &matcher{
		byPath: map[string][]*filePosition{}, byHead: map[[sha256.Size]byte][]*filePosition{},
		byFile: map[string][]*filePosition{}, byStem: map[string][]*filePosition{},
		taken: map[*filePosition]bool{}, left: map[*filePosition]bool{}, skipped: skipped,
	}
	for _, p := range known {
		path := filepath.Clean(p.Path)
		m.byPath[path] = append(m.byPath[path], p)
		if p.FileID != "" {
			m.byFile[p.FileID] = append(m.byFile[p.FileID], p)
		}
		if p.HeadSize == maxHead {
			m.byHead[p.sum] = append(m.byHead[p.sum], p)
			continue
		}
		m.byStem[stem(p.Path)] = append(m.byStem[stem(p.Path)], p)
	}
	return m
}

// sameFile returns the position of a file that is still the same file of the
// file system, under any name, or nil.
func (m *matcher) sameFile(h *fileHead) *filePosition {
	if h.id == "" {
		return nil
	}
	for _, p := range m.byFile[h.id] {
		if !m.taken[p] && h.begins(p) {
			m.taken[p] = true
			return p
		}
	}
	return nil
}

// sameName returns the position of a file that still has its old name, or the
// position of its skipped copy, or nil.
//
// Without replaced, the file must be long enough for the position, or be the
// same file of the file system. With replaced, sameName also returns the
// position of a longer file with the same head, because the longer file may
// have been replaced by its beginning.
func (m *matcher) sameName(h *fileHead, replaced bool) *filePosition {
	path := filepath.Clean(h.path)
	same := m.byPath[path]
	if m.skipped[path+".gz"] {
		same = slices.Concat(same, m.byPath[path+".gz"])
	}
	for _, p := range same {
		if !m.taken[p] && h.begins(p) && (replaced || !h.mayReplace(p)) {
			m.taken[p] = true
			return p
		}
	}
	return nil
}

// renamed returns the position of a file with a new name, or nil.
func (m *matcher) renamed(h *fileHead) *filePosition {
	var first *filePosition
	consider := func(p *filePosition) bool {
		if (first == nil || comparePositions(p, first) < 0) && !m.taken[p] && h.wasRenamed(p) && h.begins(p) && m.leftItsName(p) {
			first = p
			return true
		}
		return false
	}
	if len(h.data) == maxHead {
		sum := sha256.Sum256(h.data)
		same := m.byHead[sum]
		for len(same) > 0 && (m.taken[same[0]] || !m.leftItsName(same[0])) {
			same = same[1:] // no other file can have this position either
		}
		m.byHead[sum] = same
		if h.packed {
			h.readTails(same...)
		}
		for i := 0; i < len(same) && !consider(same[i]); {
			i++
		}
	}
	name := stem(h.path)
	for n := range len(name) {
		for _, p := range m.byStem[name[:n+1]] {
			consider(p)
		}
	}
	if first != nil {
		m.taken[first] = true
	}
	return first
}

// leftItsName reports whether the old name is free, or another file has the old
// name.
func (m *matcher) leftItsName(p *filePosition) bool {
	left, ok := m.left[p]
	if !ok {
		h, err := readHead(p.Path, maxHead)
		left = err != nil || !h.begins(p) || h.mayReplace(p)
		m.left[p] = left
	}
	return left
}

// match finds the known position of each file.
func (f *files) match(ctx context.Context, known []*filePosition) ([]*streamFile, error) {
	if err := f.checkSame(ctx); err != nil {
		return nil, err
	}
	skipped, err := f.copies(ctx)
	if err != nil {
		return nil, err
	}
	m := newMatcher(known, skipped)
	out := make([]*streamFile, len(f.paths))
	take := func(i int, h *fileHead, id string, offset, lines int64) {
		out[i] = &streamFile{id, lineReader{path: f.paths[i], matched: h.identity(), offset: offset, lines: lines, maxLine: f.maxLine}}
		if h.packed {
			out[i].packedSize = h.size
		}
	}
	unread := f.unread.Load()
	found := unread == nil
	others := map[int]*fileHead{} // the files without a position yet
	for i, path := range f.paths {
		if skipped[filepath.Clean(path)] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("source: Files: %w", context.Cause(ctx))
		}
		h, err := readHead(path, maxHead)
		if err != nil {
			return nil, err
		}
		found = found || h.begins(unread) && (samePath(path, unread.Path) || h.wasRenamed(unread))
		if p := m.sameFile(h); p != nil {
			take(i, h, p.id, p.Offset, p.Lines)
		} else {
			others[i] = h
		}
	}
	// A new log may begin with the same header as the log before. So a name
	// decides only if no file is the file of the position.
	for i := range f.paths {
		if h := others[i]; h != nil {
			if p := m.sameName(h, false); p != nil {
				take(i, h, p.id, p.Offset, p.Lines)
				delete(others, i)
			}
		}
	}
	f.unread.CompareAndSwap(unread, nil)
	if !found {
		return nil, fmt.Errorf("source: %s: %w: line %d was the last: give Files the new path of the file too", unread.Path, ErrFileGone, unread.Lines)
	}
	for i := range f.paths {
		h := others[i]
		if h == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("source: Files: %w", context.Cause(ctx))
		}
		if p := m.renamed(h); p != nil {
			take(i, h, p.id, p.Offset, p.Lines)
			delete(others, i)
		}
	}
	for i := range f.paths {
		h := others[i]
		if h == nil {
			continue
		}
		if p := m.sameName(h, true); p != nil { // the reader of the file finds the error
			take(i, h, p.id, p.Offset, p.Lines)
			continue
		}
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("source: %w", err)
		}
		take(i, h, id.String(), 0, 0)
	}
	return withoutNil(out), nil
}

func withoutNil(files []*streamFile) []*streamFile {
	kept := files[:0]
	for _, file := range files {
		if file != nil {
			kept = append(kept, file)
		}
	}
	return kept
}

// copies returns the paths of compressed copies. gzip writes NAME.gz, and
// removes NAME only at the end. So both files have the same lines for a while,
// and with gzip -k for ever.
func (f *files) copies(ctx context.Context) (map[string]bool, error) {
	listed := make(map[string]bool, len(f.paths))
	for _, path := range f.paths {
		listed[filepath.Clean(path)] = true
	}
	found := map[string]bool{}
	for packed := range listed {
		plain, ok := strings.CutSuffix(packed, ".gz")
		if !ok || !listed[plain] {
			continue
		}
		copied, err := isCopy(ctx, packed, plain)
		if err != nil {
			return nil, err
		}
		if copied {
			found[packed] = true
		}
	}
	return found, nil
}

// isCopy reports whether a compressed file has the content of another file, or
// the beginning of the content. The compressed file may be incomplete.
func isCopy(ctx context.Context, packed, plain string) (bool, error) {
	a, b := lineReader{path: packed}, lineReader{path: plain}
	if err := b.openPlain(); err != nil {
		return false, err
	}
	defer b.close()
	if b.compression != nil {
		return false, nil
	}
	if err := a.openPlain(); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) { // gzip has not written the header yet
			return true, nil
		}
		return false, err
	}
	defer a.close()
	if a.compression == nil {
		start, _ := a.reader.Peek(len(gzipMagic)) // gzip may not have written all of these bytes yet
		return strings.HasPrefix(gzipMagic, string(start)), nil
	}
	part, other := make([]byte, blockSize), make([]byte, blockSize)
	for {
		if err := ctx.Err(); err != nil {
			return false, fmt.Errorf("source: Files: %w", context.Cause(ctx))
		}
		n, err := io.ReadFull(a.reader, part)
		if k, _ := io.ReadFull(b.reader, other[:n]); !bytes.Equal(part[:n], other[:k]) {
			return false, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("source: %s: %w", packed, a.explain(err))
		}
	}
}
