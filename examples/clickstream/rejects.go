package main

import (
	"bufio"
	"fmt"
	"os"
)

// rejects is the file of the lines that were not published. The file is created
// with the first rejected line.
type rejects struct {
	path string
	f    *os.File
	w    *bufio.Writer
	n    int64
}

// add writes the file name, the line number, the reason and the text, separated
// by colons.
func (r *rejects) add(l line, reason error) error {
	if r.f == nil {
		f, err := os.Create(r.path)
		if err != nil {
			return fmt.Errorf("create the rejects file: %w: name another file with --rejects", err)
		}
		r.f, r.w = f, bufio.NewWriter(f)
	}
	r.n++
	if _, err := fmt.Fprintf(r.w, "%s:%d: %v: %s\n", l.file, l.no, reason, l.text); err != nil {
		return fmt.Errorf("write the rejects file: %w", err)
	}
	return nil
}

func (r *rejects) close() error {
	if r.f == nil {
		return nil
	}
	if err := r.w.Flush(); err != nil {
		return fmt.Errorf("write the rejects file: %w", err)
	}
	if err := r.f.Close(); err != nil {
		return fmt.Errorf("write the rejects file: %w", err)
	}
	return nil
}
