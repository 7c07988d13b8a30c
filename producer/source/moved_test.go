package source

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestRotatedBeforeRead rotates logs while another file is read. The logs were
// matched with their positions before, and now have other names.
func TestRotatedBeforeRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		listed []string // after first
		want   []string // the second Open has the names log.2, log.1 and log
	}{
		{"known file becomes another file", []string{"log.1", "log"}, []string{"first", "log 1", "log 2", "new"}},
		{"unknown file becomes a known file", []string{"log", "log.1"}, []string{"first", "log 1", "log 2", "new"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			_, known := readFiles(t, nil, writeFile(t, dir, "log.1", "old 1\n"))
			in := &files{paths: []string{writeFile(t, dir, "first", "first\n")}, maxLine: 100}
			writeFile(t, dir, "log", "log 1\nlog 2\n")
			for _, name := range tc.listed {
				in.paths = append(in.paths, at(name))
			}
			r := openFiles(t, in, known...)
			var got []string
			next := func() (bool, error) {
				var item Item[Line]
				ok, err := r.Next(t.Context(), &item)
				if ok {
					got = append(got, string(item.Value.Text))
				}
				return ok, err
			}
			if ok, err := next(); !ok || err != nil {
				t.Fatal(ok, err)
			}
			for _, move := range [][2]string{{"log.1", "log.2"}, {"log", "log.1"}} {
				if err := os.Rename(at(move[0]), at(move[1])); err != nil {
					t.Fatal(err)
				}
			}
			writeFile(t, dir, "log", "new\n")
			if ok, err := next(); ok || err != nil { // the lines before are committed
				t.Fatal(ok, err, got)
			}
			known = append(known, r.Positions()...)
			if ok, err := next(); ok || !errors.Is(err, errReplaced) || !IsTemporary(err) {
				t.Fatal(ok, err, got)
			}
			in.paths = []string{at("first"), at("log.2"), at("log.1"), at("log")}
			r = openFiles(t, in, known...)
			for {
				ok, err := next()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
