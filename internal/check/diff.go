package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/registry/compat"
)

// Load reads the schemas at where. The place is a file, a folder, folder/...,
// or the same at a git commit, written git:REF:PATH. The form git:REF uses the
// path of the other side.
func Load(ctx context.Context, l avscfile.Loader, where, other string) (set *avsc.Set, err error) {
	in, ok := strings.CutPrefix(where, "git:")
	if !ok {
		return l.LoadWithNeeded(where)
	}
	ref, path, ok := strings.Cut(in, ":")
	if !ok {
		path = other
	}
	if ref == "" || path == "" || strings.HasPrefix(path, "git:") {
		return nil, fmt.Errorf("%s: write git:REF:PATH", where)
	}
	commit, err := OpenCommit(ctx, path, ref)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, commit.Close()) }()
	set, err = commit.loaderAs(l).LoadWithNeeded(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, withoutType(err))
	}
	return set, nil
}

// Diff returns the changes between two trees. If each tree is one file with one
// schema, the two schemas are versions of each other, whatever their names. A
// removed type and a new type of the same structure count as one renamed type.
func Diff(opts Options, before, now *avsc.Set) []evolve.Change {
	opts.rename(before)
	var d evolve.Differ
	if b, n := onlySchema(before), onlySchema(now); b != nil && n != nil {
		d.Schemas(b, n)
		return d.Changes
	}
	known := map[*avsc.Schema]bool{}
	var gone, added []*avsc.Schema
	subjects, _ := Trees(compat.Full, Tree{Set: now}, Tree{Set: before}, "") // without contracts, there is no error
	for _, s := range subjects {
		if s.Now == nil {
			gone = append(gone, s.Before[0].Schema)
			continue
		}
		known[s.Now] = true
		d.Schemas(s.Before[0].Schema, s.Now)
	}
	for _, f := range now.Files {
		for _, s := range f.Schemas {
			if !known[s] {
				added = append(added, s)
			}
		}
	}
	// A type inside another type was already compared there, under its new
	// name.
	isRenamed := func(s *avsc.Schema) bool { return d.Renamed[s] }
	gone, added = slices.DeleteFunc(gone, isRenamed), slices.DeleteFunc(added, isRenamed)
	unmatched, continued := evolve.NewRenames(gone), make([]bool, len(gone))
	for _, s := range added {
		i := unmatched.Take(s)
		if i < 0 {
			d.Added(s)
			continue
		}
		continued[i] = true
		d.Schemas(gone[i], s)
	}
	for i, s := range gone {
		if !continued[i] {
			d.Removed(s)
		}
	}
	return d.Changes
}

// onlySchema returns the only schema of a set, or nil if there are several
// schemas.
func onlySchema(set *avsc.Set) *avsc.Schema {
	if len(set.Files) != 1 || len(set.Files[0].Schemas) != 1 {
		return nil
	}
	return set.Files[0].Schemas[0]
}
