package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
)

// Commit is the tree of a git commit. Commit uses the git program instead of a
// library, because the program knows every kind of repository of the user
// (worktrees, partial clones, alternates) and brings no dependency.
type Commit struct {
	top    string // absolute path of the work tree, without symbolic links
	blobs  map[string]blob
	dirs   map[string][]fs.DirEntry
	failed map[string]error // by folder, the submodules that cannot be read
	stores []*store
}

// blob is the content of a file.
type blob struct {
	store *store
	id    string
}

// store reads the objects of a repository.
type store struct {
	git *exec.Cmd // runs cat-file --batch
	in  io.WriteCloser
	out *bufio.Reader
}

// OpenCommit opens the commit that ref names. The path selects the repository.
// Call Close after use.
func OpenCommit(ctx context.Context, path, ref string) (*Commit, error) {
	top, err := workTree(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("git:%s: %w", ref, err)
	}
	commit, err := git(ctx, top, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && !hasCommits(ctx, top) {
			err = ErrNoCommits
		} else if errors.As(err, &exit) {
			err = fmt.Errorf("no such commit in this repository: fetch it first, as in git fetch origin main; in CI a checkout may hold one commit only")
		}
		return nil, fmt.Errorf("git:%s: %w", ref, err)
	}
	c := &Commit{
		top: top, blobs: map[string]blob{}, dirs: map[string][]fs.DirEntry{".": nil}, failed: map[string]error{},
	}
	if err := c.addTree(ctx, top, "", strings.TrimSpace(commit)); err != nil {
		return nil, errors.Join(fmt.Errorf("git:%s: %w", ref, err), c.Close())
	}
	return c, nil
}

// addTree adds the files of a commit to c. The commit is in the repository with
// the work tree dir. The names of the files get the prefix. addTree also adds
// the files of submodules, at the commits that the tree names.
func (c *Commit) addTree(ctx context.Context, dir, prefix, commit string) error {
	tree, err := git(ctx, dir, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return err
	}
	s, err := openStore(ctx, dir)
	if err != nil {
		return err
	}
	c.stores = append(c.stores, s)
	for entry := range strings.SplitSeq(tree, "\x00") {
		// An entry is "100644 blob <id>\t<path>". Links are no schemas.
		meta, name, _ := strings.Cut(entry, "\t")
		parts := strings.Fields(meta)
		switch {
		case len(parts) == 3 && strings.HasPrefix(parts[0], "100"):
			c.blobs[prefix+name] = blob{s, parts[2]}
			c.add(prefix+name, false)
		case len(parts) == 3 && parts[1] == "commit":
			c.addSubmodule(ctx, prefix+name, parts[2])
		}
	}
	return nil
}

// addSubmodule adds the files of a submodule. A submodule without a clone or
// without schemas has no files. If the clone lacks the commit, the folder of
// the submodule is an error.
func (c *Commit) addSubmodule(ctx context.Context, name, commit string) {
	dir := filepath.Join(c.top, filepath.FromSlash(name))
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err != nil {
		return
	}
	var none *avscfile.NoSchemasError
	if _, err := (avscfile.Loader{}).Files(filepath.ToSlash(dir) + "/..."); errors.As(err, &none) {
		return
	}
	c.add(name, true)
	c.dirs[name] = nil
	if err := c.addTree(ctx, dir, name+"/", commit); err != nil {
		c.failed[name] = fmt.Errorf("the submodule %s cannot be read at commit %.12s: fetch the commit, as in git -C %[1]s fetch origin %.12[2]s: %w", name, commit, err)
	}
}

// openStore starts a git program that reads objects.
func openStore(ctx context.Context, dir string) (*store, error) {
	s := &store{git: exec.CommandContext(ctx, "git", "cat-file", "--batch")}
	s.git.Dir, s.git.Env = dir, gitEnviron(ctx, dir)
	in, err := s.git.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.git.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.in, s.out = in, bufio.NewReader(out)
	return s, s.git.Start()
}

// ErrNoCommits says that a repository has no commit yet.
var ErrNoCommits = errors.New("the repository has no commit yet, so there is nothing to compare with")

func hasCommits(ctx context.Context, top string) bool {
	out, err := git(ctx, top, "rev-list", "--all", "--max-count=1")
	return err != nil || strings.TrimSpace(out) != ""
}

// workTree returns the work tree that contains a path, without symbolic links.
// The path need not exist any more. A link to a folder is in the work tree of
// its target.
func workTree(ctx context.Context, name string) (string, error) {
	dir, err := filepath.Abs(strings.TrimSuffix(name, "..."))
	if err != nil {
		return "", err
	}
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() || filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	dir = withoutLinks(dir)
	up, err := git(ctx, dir, "rev-parse", "--show-cdup")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(up, "\n"))), nil
}

// withoutLinks replaces the symbolic links of an absolute path. The end of the
// path need not exist.
func withoutLinks(name string) string {
	for dir, rest := name, ""; ; rest, dir = filepath.Join(filepath.Base(dir), rest), filepath.Dir(dir) {
		if target, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(target, rest)
		}
		if filepath.Dir(dir) == dir {
			return name
		}
	}
}

// git runs the git program in a folder and returns the program's output.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = dir, gitEnviron(ctx, dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch said := strings.TrimSpace(strings.TrimPrefix(stderr.String(), "fatal: ")); {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("the git program is not installed")
	case err != nil && said != "":
		return "", errors.New(said)
	case err != nil:
		return "", err
	}
	return stdout.String(), nil
}

// gitEnviron returns the environment of a git program in a folder. git sets
// variables such as GIT_DIR for a hook. They name a repository for every
// folder, and GIT_DIR makes every folder the top of a work tree. So gitEnviron
// removes the variables, if the folder is in a repository without them.
func gitEnviron(ctx context.Context, dir string) []string {
	own := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX"}, name)
	})
	if os.Getenv("GIT_DIR") == "" {
		return own
	}
	find := exec.CommandContext(ctx, "git", "rev-parse", "--git-dir")
	if find.Dir, find.Env = dir, own; find.Run() != nil {
		return nil
	}
	return own
}

// Close ends the git programs.
func (c *Commit) Close() error {
	var errs []error
	for _, s := range c.stores {
		errs = append(errs, s.in.Close(), s.git.Wait())
	}
	return errors.Join(errs...)
}

// add adds a file or folder to the folders above.
func (c *Commit) add(name string, isDir bool) {
	for child := name; child != "."; isDir = true {
		dir := path.Dir(child)
		_, known := c.dirs[dir]
		c.dirs[dir] = append(c.dirs[dir], entry{path.Base(child), isDir})
		if known {
			return
		}
		child = dir
	}
}

// Loader returns a loader for the schemas of the commit. The names are the same
// as on disk. They are relative to the current folder, or absolute.
func (c *Commit) Loader() avscfile.Loader {
	return avscfile.Loader{ReadFile: c.readFile, ReadDir: c.readDir, Stat: c.stat}
}

// loaderAs returns Loader with the rules of l for imports of IDL.
func (c *Commit) loaderAs(l avscfile.Loader) avscfile.Loader {
	own := c.Loader()
	own.Roots, own.AllowOutside = l.Roots, l.AllowOutside
	own.SearchPath, own.Modules = l.SearchPath, l.Modules
	return own
}

// inRepo returns the name of a file or folder inside the repository. If the
// commit does not have the name, inRepo follows the symbolic links of the work
// tree.
func (c *Commit) inRepo(name string) (string, error) {
	abs, err := filepath.Abs(filepath.FromSlash(name))
	if err != nil {
		return "", err
	}
	rel, ok := c.belowTop(abs)
	if ok && c.has(rel) {
		return rel, nil
	}
	if rel, ok := c.belowTop(withoutLinks(abs)); ok {
		return rel, nil
	}
	if ok {
		return rel, nil
	}
	return "", &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("outside of the git repository %s", c.top)}
}

// belowTop returns an absolute path as a path from the top of the work tree.
func (c *Commit) belowTop(abs string) (rel string, ok bool) {
	rel, err := filepath.Rel(c.top, abs)
	rel = filepath.ToSlash(rel)
	return rel, err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// has reports whether the commit has a file or folder.
func (c *Commit) has(in string) bool {
	_, isFile := c.blobs[in]
	_, isDir := c.dirs[in]
	return isFile || isDir
}

// files lists the files of the commit with one of the extensions.
func (c *Commit) files(extensions ...string) []string {
	var names []string
	for in := range c.blobs {
		if slices.Contains(extensions, path.Ext(in)) {
			names = append(names, in)
		}
	}
	return relativePaths(c.top, names)
}

// otherFiles looks for types of the commit outside of the files of a set.
func (c *Commit) otherFiles(as avscfile.Loader, in *avsc.Set) *otherFiles {
	l := c.loaderAs(as)
	l.AllowOutside = true // the loader reads only files of the commit
	return &otherFiles{in: in, loader: l, list: func() ([]string, error) {
		return c.files(".avsc", ".avpr", ".avdl"), nil
	}}
}

// otherWorkFiles looks for types of the work tree outside of the files of a
// set.
func (c *Commit) otherWorkFiles(ctx context.Context, as avscfile.Loader, in *avsc.Set) *otherFiles {
	as.Roots = append(slices.Clone(as.Roots), filepath.ToSlash(c.top)+"/...")
	return &otherFiles{in: in, loader: as, list: func() ([]string, error) {
		list, err := git(ctx, c.top, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.avsc", "*.avpr", "*.avdl")
		if err != nil {
			return nil, err
		}
		return relativePaths(c.top, strings.FieldsFunc(list, func(r rune) bool { return r == 0 })), nil
	}}
}

// relativePaths rewrites names within top as paths from the current folder.
func relativePaths(top string, names []string) []string {
	here, err := os.Getwd()
	here = withoutLinks(here) // a path with ".." leaves the target of a link
	for i, name := range names {
		abs := filepath.Join(top, filepath.FromSlash(name))
		names[i] = filepath.ToSlash(abs)
		if rel, relErr := filepath.Rel(here, abs); err == nil && relErr == nil {
			names[i] = filepath.ToSlash(rel)
		}
	}
	return names
}

func (c *Commit) readFile(name string) ([]byte, error) {
	in, err := c.inRepo(name)
	if err != nil {
		return nil, err
	}
	b, ok := c.blobs[in]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	text, err := b.read()
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return text, nil
}

// read asks the git program for an object. The answer is "<id> blob
// <size>\n<content>\n".
func (b blob) read() ([]byte, error) {
	if _, err := io.WriteString(b.store.in, b.id+"\n"); err != nil {
		return nil, err
	}
	head, err := b.store.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("git cat-file ended: %w", err)
	}
	parts := strings.Fields(head)
	if len(parts) != 3 {
		return nil, fmt.Errorf("git cat-file: %s", strings.TrimSpace(head))
	}
	size, err := strconv.Atoi(parts[2])
	if err != nil {
		return nil, fmt.Errorf("git cat-file: %s", strings.TrimSpace(head))
	}
	text := make([]byte, size+1)
	if _, err := io.ReadFull(b.store.out, text); err != nil {
		return nil, fmt.Errorf("git cat-file ended: %w", err)
	}
	return text[:size], nil
}

func (c *Commit) readDir(name string) ([]fs.DirEntry, error) {
	in, err := c.inRepo(name)
	if err != nil {
		return nil, err
	}
	if err := c.failed[in]; err != nil {
		return nil, err
	}
	entries, ok := c.dirs[in]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func (c *Commit) stat(name string) (fs.FileInfo, error) {
	in, err := c.inRepo(name)
	if err != nil {
		return nil, err
	}
	if _, ok := c.dirs[in]; ok {
		return entry{path.Base(in), true}, nil
	}
	if _, ok := c.blobs[in]; ok {
		return entry{path.Base(in), false}, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

// entry is a file or folder of a commit.
type entry struct {
	name string
	dir  bool
}

func (e entry) Name() string               { return e.name }
func (e entry) IsDir() bool                { return e.dir }
func (e entry) Size() int64                { return 0 }
func (e entry) ModTime() time.Time         { return time.Time{} }
func (e entry) Sys() any                   { return nil }
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
func (e entry) Type() fs.FileMode          { return e.Mode().Type() }

func (e entry) Mode() fs.FileMode {
	if e.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
