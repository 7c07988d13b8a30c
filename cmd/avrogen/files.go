package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// withLF returns a text with LF in the place of CRLF. A file of an earlier run
// may have CRLF, because git for Windows checks out text files with CRLF.
func withLF(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) }

// sameLines reports whether a file has the content that this run makes. CRLF in
// the file counts as LF.
func sameLines(file, content []byte) bool {
	return bytes.Equal(file, content) || bytes.Equal(withLF(file), content)
}

// output is one file to write.
type output struct {
	name    string
	content []byte
}

// staging writes files. After an interrupt, either all files are unchanged or
// all files are written. Files are first written under temporary names in their
// folders, and then all files are renamed. A staging is safe for concurrent
// use.
type staging struct {
	mu    sync.Mutex
	temps []string // written, and not yet renamed
	names []string // the final names of temps
}

// write writes each file as a whole and then calls finish, unless finish is
// nil. write creates folders, and keeps the permissions of existing files. For
// a symbolic link, write changes the file of the link. A file with the right
// content stays unchanged. If write returns an error, or if
// ctx ends before all files are written, no file was changed.
func (s *staging) write(ctx context.Context, files []output, finish func() error) error {
	for _, f := range files {
		if err := s.stage(ctx, f); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.discard()
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		s.discard()
		return err
	}
	for i, temp := range s.temps {
		if err := os.Rename(temp, s.names[i]); err != nil {
			s.temps, s.names = s.temps[i:], s.names[i:]
			s.discard()
			return err
		}
	}
	s.temps, s.names = nil, nil
	if finish != nil {
		return finish()
	}
	return nil
}

// stage writes one file under a temporary name.
func (s *staging) stage(ctx context.Context, f output) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if old, err := os.ReadFile(f.name); err == nil {
		if bytes.Equal(old, f.content) {
			return nil
		}
		if info, err := os.Stat(f.name); err == nil {
			mode = info.Mode().Perm()
		}
	}
	if file, err := filepath.EvalSymlinks(f.name); err == nil {
		f.name = file // renaming to the link would replace the link
	}
	dir := filepath.Dir(f.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".avrogen-*") // short, because f.name may be long
	if err != nil {                               // the error names the temporary file
		return fmt.Errorf("cannot write %s: %w", f.name, unwrapPath(err))
	}
	s.temps, s.names = append(s.temps, temp.Name()), append(s.names, f.name)
	_, err = temp.Write(f.content)
	return errors.Join(err, temp.Chmod(mode), temp.Close())
}

// discard removes the files that are not renamed. The caller holds mu.
func (s *staging) discard() {
	for _, temp := range s.temps {
		_ = os.Remove(temp) // an error has no consequence
	}
	s.temps, s.names = nil, nil
}

// abandon waits for the end of renaming in progress, and removes files with
// temporary names. Then abandon blocks all further writing.
func (s *staging) abandon() {
	s.mu.Lock() // forever
	s.discard()
}
