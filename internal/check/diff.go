package check

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/registry/compat"
)

// Load reads the schemas at where: a file, a folder, folder/..., or the same at
// a git commit as git:REF:PATH. In git:REF the path is that of the other side.
func Load(ctx context.Context, where, other string) (set *avsc.Set, err error) {
	in, ok := strings.CutPrefix(where, "git:")
	if !ok {
		return avscfile.Load(where)
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
	set, err = commit.Loader().Load(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, plain(err))
	}
	return set, nil
}

// Diff finds what was changed between two trees. Two files of one schema each
// are two versions of it, whatever their names.
func Diff(before, now *avsc.Set) []evolve.Change {
	var d evolve.Differ
	if b, n := single(before), single(now); b != nil && n != nil {
		d.Schemas(b, n)
		return d.Changes
	}
	known := map[*avsc.Schema]bool{}
	subjects := Trees(compat.Full, Tree{Set: now}, Tree{Set: before}, "")
	for _, s := range subjects {
		if s.Now != nil {
			known[s.Now] = true
			d.Schemas(s.Before[0].Schema, s.Now)
		}
	}
	for _, f := range now.Files {
		for _, s := range f.Schemas {
			if !known[s] {
				d.Added(s)
			}
		}
	}
	for _, s := range subjects {
		if s.Now == nil {
			d.Removed(s.Before[0].Schema)
		}
	}
	return d.Changes
}

// single is the only schema of a set, nil where there are several.
func single(set *avsc.Set) *avsc.Schema {
	if len(set.Files) != 1 || len(set.Files[0].Schemas) != 1 {
		return nil
	}
	return set.Files[0].Schemas[0]
}
