package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/contract"
)

// Renames maps old names to new names. A name is a namespace or the full name
// of a type. The earlier schemas are compared under their new names.
type Renames map[string]string

// Options control reading and comparing of schemas. The zero value reads
// schemas from disk and renames nothing.
type Options struct {
	Renames Renames
	// Matched receives the old names of Renames that an earlier schema has.
	// Matched may be nil.
	Matched map[string]bool
	Loader  avscfile.Loader // reads the new schemas

	// Contracts finds the contracts of the schemas in a tree. The function read
	// reads a file of the tree. Contracts may be nil. Then a contract is in the
	// file beside its schema.
	Contracts func(read func(name string) ([]byte, error)) Contracts
}

// contracts returns the contracts of the new schemas.
func (o Options) contracts() Contracts { return o.contractsIn(o.Loader.Read) }

func (o Options) contractsIn(read func(string) ([]byte, error)) Contracts {
	if o.Contracts == nil {
		return contractsBeside(read)
	}
	return o.Contracts(read)
}

// rename renames the types of an earlier set.
func (o Options) rename(set *avsc.Set) { o.Renames.apply(set, o.Matched) }

// apply renames the types of a set, and adds the matching old names to matched.
func (r Renames) apply(set *avsc.Set, matched map[string]bool) {
	if len(r) > 0 && set != nil {
		set.Rename(func(fullName string) string {
			now, old := r.name(fullName)
			if matched != nil && old != "" {
				matched[old] = true
			}
			return now
		})
	}
}

// name returns the new name of a type, and the old name that matches. The
// longest matching old name counts. An old name matches if the name is the
// type's own or an enclosing namespace. If no old name matches, old is "".
func (r Renames) name(fullName string) (now, old string) {
	for old = fullName; old != ""; {
		if now, ok := r[old]; ok {
			return strings.TrimPrefix(now+fullName[len(old):], "."), old
		}
		i := strings.LastIndexByte(old, '.')
		if i < 0 {
			break
		}
		old = old[:i]
	}
	return fullName, ""
}

// Git compares the schemas at paths with the schemas of a commit. The first of
// paths selects the repository. Git also finds a file that moved into paths or
// out of paths.
func Git(ctx context.Context, level compat.Level, opts Options, ref string, paths ...string) (found []contract.Finding, err error) {
	now, err := load(opts.Loader, paths)
	if err != nil {
		return nil, err
	}
	commit, err := OpenCommit(ctx, paths[0], ref)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, commit.Close()) }()
	label := "git:" + ref
	before, scope, err := commit.load(opts.Loader, paths)
	if err != nil {
		return nil, fmt.Errorf("the schemas at %s cannot be read: %w", label, withoutType(err))
	}
	opts.rename(before)
	if len(now.Files) == 0 && len(before.Files) == 0 {
		dir, deep := strings.CutSuffix(filepath.ToSlash(paths[0]), "/...")
		if dir == "..." {
			dir, deep = ".", true
		}
		return nil, &avscfile.NoSchemasError{Path: dir, Deep: deep}
	}
	subjects, err := Trees(level,
		Tree{Set: now, contract: opts.contracts(), elsewhere: commit.otherWorkFiles(ctx, opts.Loader, now).find},
		Tree{Set: before, contract: opts.contractsIn(commit.readFile), scope: scope, elsewhere: commit.otherFiles(opts.Loader, before).find},
		label)
	if err != nil {
		return nil, err
	}
	return Compare(subjects), nil
}

// Dir compares the schemas at paths with the schemas in dir and below.
func Dir(level compat.Level, opts Options, dir string, paths ...string) ([]contract.Finding, error) {
	now, err := opts.Loader.Load(paths...)
	if err != nil {
		return nil, err
	}
	before, err := earlierTree(opts, dir)
	if err != nil {
		return nil, err
	}
	subjects, err := opts.trees(level, now, before, dir)
	if err != nil {
		return nil, err
	}
	return Compare(subjects), nil
}

// Folders compares folders with versions of the same schemas. The oldest folder
// comes first.
func Folders(level compat.Level, opts Options, dirs ...string) ([]contract.Finding, error) {
	now, err := opts.Loader.Load(strings.TrimSuffix(dirs[len(dirs)-1], "/") + "/...")
	if err != nil {
		return nil, err
	}
	earlier := dirs[:len(dirs)-1]
	if !level.Transitive() && len(earlier) > 1 {
		earlier = earlier[len(earlier)-1:]
		for old := range opts.Renames { // the other folders may have the name
			if opts.Matched != nil {
				opts.Matched[old] = true
			}
		}
	}
	var subjects []Subject
	for i, dir := range earlier {
		before, err := earlierTree(opts, dir)
		if err != nil {
			return nil, err
		}
		of, err := opts.trees(level, now, before, dir)
		if err != nil {
			return nil, err
		}
		if i < len(earlier)-1 {
			for j := range of {
				of[j].Latest = nil // only the rules of the last folder count
			}
		}
		subjects = append(subjects, of...)
	}
	return Compare(subjects), nil
}

// trees pairs the schemas of two folders.
func (o Options) trees(level compat.Level, now, before *avsc.Set, label string) ([]Subject, error) {
	return Trees(level,
		Tree{Set: now, contract: o.contracts()},
		Tree{Set: before, contract: contractsBeside(o.Loader.Read)}, label)
}

// earlierTree reads the schemas of a file, or of a folder and its subfolders.
func earlierTree(opts Options, dir string) (*avsc.Set, error) {
	info, err := os.Stat(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the earlier schemas: %w: a commit is git:%s", err, dir)
		}
		return nil, fmt.Errorf("the earlier schemas: %w", err)
	}
	tree := dir
	if info.IsDir() {
		tree = strings.TrimSuffix(dir, "/") + "/..."
	}
	before, err := opts.Loader.Load(tree)
	if err != nil {
		return nil, fmt.Errorf("the schemas in %s cannot be read: %w", dir, withoutType(err))
	}
	opts.rename(before)
	return before, nil
}

// withoutType removes the type from an error in the earlier schemas, because
// mistakes in the earlier schemas are not findings.
func withoutType(err error) error {
	var mistakes avsc.Errors
	if errors.As(err, &mistakes) {
		return errors.New(mistakes[0].Error())
	}
	return err
}

// load reads the schemas of the commit at paths. If these schemas need types of
// other files, load reads all files of the commit, because the types may have
// been outside of paths then. In this case, the scope holds the files at paths.
// Otherwise the scope is nil.
func (c *Commit) load(as avscfile.Loader, paths []string) (set *avsc.Set, scope map[string]bool, err error) {
	if set, err = load(c.loaderAs(as), paths); err == nil {
		return set, nil, nil
	}
	var mistakes avsc.Errors
	if !errors.As(err, &mistakes) {
		return nil, nil, err
	}
	there, otherErr := present(c.loaderAs(as), paths)
	if otherErr != nil {
		return nil, nil, err
	}
	sources, otherErr := c.loaderAs(as).Sources(there...)
	if otherErr != nil {
		return nil, nil, err
	}
	scope = map[string]bool{}
	known := map[string]bool{}
	for _, src := range sources {
		scope[src.Name] = true
		if in, err := c.inRepo(src.Name); err == nil {
			known[in] = true
		}
	}
	for _, name := range c.files(".avsc") {
		if in, err := c.inRepo(name); err != nil || known[in] {
			continue
		}
		if text, err := c.readFile(name); err == nil {
			sources = append(sources, avsc.Source{Name: name, Text: text})
		}
	}
	if set, otherErr = avsc.ParseSet(sources...); otherErr != nil {
		return nil, nil, err // the first error
	}
	return set, scope, nil
}

// load reads the schemas at paths. A path that does not exist holds no schemas.
func load(l avscfile.Loader, paths []string) (*avsc.Set, error) {
	there, err := present(l, paths)
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		return avsc.ParseSet()
	}
	return l.Load(there...)
}

// present returns the paths that hold schemas.
func present(l avscfile.Loader, paths []string) ([]string, error) {
	var there []string
	for _, p := range paths {
		_, err := l.Files(p)
		var none *avscfile.NoSchemasError
		switch {
		case errors.As(err, &none), errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			there = append(there, p)
		}
	}
	return there, nil
}

// otherFiles looks for types in the schema files outside of paths. Such a type
// is in a file that was moved.
type otherFiles struct {
	list   func() ([]string, error)
	loader avscfile.Loader
	in     *avsc.Set

	texts map[string][]byte
	sets  map[string]*avsc.Set // by file; nil for a file that is incomplete on its own
}

func (o *otherFiles) find(name string) *avsc.Schema {
	if o.texts == nil {
		o.load()
	}
	short := []byte(name[strings.LastIndexByte(name, '.')+1:])
	for _, file := range slices.Sorted(maps.Keys(o.texts)) {
		if !bytes.Contains(o.texts[file], short) {
			continue
		}
		set, known := o.sets[file]
		if !known {
			var err error
			if set, err = o.loader.Load(file); err != nil {
				set = nil
			}
			o.sets[file] = set
		}
		if set == nil {
			continue
		}
		if s := set.Type(name); s != nil {
			return s
		}
	}
	return nil
}

// load reads the files and ignores unreadable files.
func (o *otherFiles) load() {
	o.texts, o.sets = map[string][]byte{}, map[string]*avsc.Set{}
	names, err := o.list()
	if err != nil {
		return
	}
	known := map[string]bool{}
	for _, f := range o.in.Files {
		if abs, err := filepath.Abs(f.Name); err == nil {
			known[abs] = true
		}
	}
	for _, name := range names {
		if abs, err := filepath.Abs(name); err != nil || known[abs] {
			continue
		}
		if text, err := o.loader.Read(name); err == nil {
			o.texts[name] = text
		}
	}
}
