package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/registry"
)

// Edition is one version of a schema in its history.
type Edition struct {
	Label string // such as "v1.2.0", "1f2e3d4" or "version 3 of orders-value"
	Date  string // YYYY-MM-DD of the commit or tag; "" if unknown
	Title string // the subject line of the commit; "" if unknown
	// ID is the id in the registry. It is 0 for an edition of another source.
	ID     int
	Schema *avsc.Schema
}

// History holds the editions of schemas. The oldest edition of each schema
// comes first. Two neighbours never have the same text.
type History struct {
	Editions map[*avsc.Schema][]Edition
	// Skipped has a line for each commit that could not be read, with its
	// reason.
	Skipped []string
}

// maxCommits limits the commits that [GitHistory] reads.
const maxCommits = 500

// ErrShallow says that a repository does not have its whole history.
var ErrShallow = errors.New("the clone is shallow: fetch the whole history, as in git fetch --unshallow --tags; in a GitHub workflow set fetch-depth: 0 for actions/checkout")

// GitHistory reads the history of the schemas in now. They are the schemas at
// paths. The commits are those of HEAD and of its first parents, so that a
// merged branch counts as one change. A pattern of tags, such as "v*", selects
// the tagged commits instead. GitHistory reads at most 500 commits, the newest
// ones. It follows a type that was renamed with an alias.
//
// The edition of a commit is the edition at the first commit with this text. An
// edition without a date is the schema in the work tree, if it differs from
// HEAD.
func GitHistory(ctx context.Context, opts Options, tags string, now *avsc.Set, paths ...string) (*History, error) {
	top, err := workTree(ctx, paths[0])
	if err != nil {
		return nil, fmt.Errorf("git: %w", err)
	}
	if !hasCommits(ctx, top) {
		return nil, fmt.Errorf("git: %w", ErrNoCommits)
	}
	if out, err := git(ctx, top, "rev-parse", "--is-shallow-repository"); err == nil && strings.TrimSpace(out) == "true" {
		return nil, fmt.Errorf("git: %w", ErrShallow)
	}
	points, err := commits(ctx, top, tags)
	if err != nil {
		return nil, fmt.Errorf("git: %w", err)
	}
	f := newFollower(now)
	f.addEditions(point{}, Tree{Set: now})
	h := &f.History
	if len(points) > maxCommits {
		h.Skipped = append(h.Skipped, fmt.Sprintf("older commits were not read: there are more than %d", maxCommits))
		points = points[:maxCommits]
	}
	for _, p := range points {
		if err := f.commit(ctx, opts, p, paths); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			h.Skipped = append(h.Skipped, fmt.Sprintf("%s: %v", p.label, withoutType(err)))
		}
	}
	return f.result(), nil
}

// point is a commit in the history.
type point struct{ commit, label, date, title string }

// commits lists the commits that change schemas, or the tags of the pattern.
// The newest commit comes first.
func commits(ctx context.Context, top, tags string) ([]point, error) {
	args := []string{
		"log", "--first-parent", "-m", fmt.Sprintf("--max-count=%d", maxCommits+1), "--date=short",
		"--format=%H%x1f%h%x1f%cd%x1f%s", "HEAD", "--", ":(top)*.avsc", ":(top)*.avpr", ":(top)*.avdl",
	}
	if tags != "" {
		args = []string{
			"tag", "--list", "--merged", "HEAD", "--sort=-creatordate", "--sort=-version:refname",
			"--sort=-creatordate", "--format=%(refname)%1f%(refname:short)%1f%(creatordate:short)%1f", "--", tags,
		}
	}
	out, err := git(ctx, top, args...)
	if err != nil {
		return nil, err
	}
	var points []point
	for line := range strings.Lines(out) {
		parts := strings.SplitN(strings.TrimRight(line, "\r\n"), "\x1f", 4)
		if len(parts) == 4 {
			points = append(points, point{parts[0], parts[1], parts[2], parts[3]})
		}
	}
	if len(points) == 0 && tags != "" {
		return nil, fmt.Errorf("no tag on the way to HEAD matches %q", tags)
	}
	return points, nil
}

// follower follows schemas from the present into the past.
type follower struct {
	History
	order []*avsc.Schema
	file  map[*avsc.Schema]*avsc.File
	text  map[*avsc.Schema]string // of the last edition
}

func newFollower(now *avsc.Set) *follower {
	f := &follower{
		History: History{Editions: map[*avsc.Schema][]Edition{}},
		file:    map[*avsc.Schema]*avsc.File{}, text: map[*avsc.Schema]string{},
	}
	for _, file := range now.Files {
		for _, top := range file.Schemas {
			top.Walk(func(s *avsc.Schema) {
				if f.file[s] == nil && (s == top || s.Kind.Named()) {
					f.file[s] = file
					f.order = append(f.order, s)
				}
			})
		}
	}
	return f
}

// commit reads the schemas of one commit.
func (f *follower) commit(ctx context.Context, opts Options, p point, paths []string) (err error) {
	commit, err := OpenCommit(ctx, paths[0], p.commit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, commit.Close()) }()
	set, _, err := commit.load(opts.Loader, paths)
	if err != nil {
		return err
	}
	opts.rename(set)
	f.addEditions(p, Tree{Set: set, elsewhere: commit.otherFiles(opts.Loader, set).find})
	return nil
}

// addEditions adds the editions of a tree. The trees come newest first.
func (f *follower) addEditions(p point, t Tree) {
	for _, s := range f.order {
		list := f.Editions[s]
		last := s
		if len(list) > 0 {
			last = list[len(list)-1].Schema
		}
		old := s
		if p != (point{}) {
			old = t.earlier(last, f.file[s])
		}
		if old == nil {
			continue
		}
		e := Edition{Label: p.label, Date: p.date, Title: p.title, Schema: old}
		switch text := old.Text(); {
		case len(list) > 0 && text == f.text[s]:
			e.Schema = last // the older commit has the edition already
			list[len(list)-1] = e
		default:
			f.text[s] = text
			f.Editions[s] = append(list, e)
		}
	}
}

// result puts the oldest edition first.
func (f *follower) result() *History {
	for _, list := range f.Editions {
		slices.Reverse(list)
	}
	return &f.History
}

// FolderHistory reads a folder of versions. Each schema file and each folder
// inside it is a version. The versions are in the order of their names, and v10
// comes after v9. The result now is the set of the last version.
func FolderHistory(l avscfile.Loader, dir string) (now *avsc.Set, h *History, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		p := path.Join(dir, e.Name())
		if e.IsDir() {
			p += "/..."
		}
		if _, err := l.Files(p); err != nil || !e.IsDir() && !isSchema(p) {
			continue // a folder without schemas, or another file
		}
		names = append(names, p)
	}
	if len(names) == 0 {
		return nil, nil, &avscfile.NoSchemasError{Path: dir}
	}
	slices.SortFunc(names, compareNatural)
	var f *follower
	for i, p := range slices.Backward(names) {
		set, err := l.LoadWithNeeded(p)
		if err != nil {
			return nil, nil, err
		}
		if f == nil {
			now, f = set, newFollower(set)
		}
		label := strings.TrimSuffix(strings.TrimSuffix(p, "/..."), path.Ext(p))
		if strings.HasSuffix(names[i], "/...") {
			label = strings.TrimSuffix(p, "/...")
		}
		f.addEditions(point{commit: p, label: path.Base(label)}, Tree{Set: set})
	}
	return now, f.result(), nil
}

func isSchema(name string) bool {
	return slices.Contains([]string{".avsc", ".avpr", ".avdl"}, path.Ext(name))
}

// compareNatural compares names. A number inside a name counts by its value.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, y := leadingDigits(a), leadingDigits(b)
		if x > 0 && y > 0 {
			m, n := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func leadingDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// SubjectHistory reads all versions of a subject. The oldest version comes
// first.
func SubjectHistory(ctx context.Context, reg Registry, subject string) ([]Edition, error) {
	numbers, err := reg.Versions(ctx, subject)
	if err != nil {
		return nil, fmt.Errorf("subject %s: %w", subject, err)
	}
	slices.Sort(numbers)
	editions := make([]Edition, len(numbers))
	for i, n := range numbers {
		label := fmt.Sprintf("version %d of %s", n, subject)
		v, err := reg.Version(ctx, subject, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", label, err)
		}
		s, err := avsc.ParseStored(label, []byte(v.Schema))
		if err != nil {
			return nil, fmt.Errorf("%s is not a schema: %w", label, withoutType(err))
		}
		editions[i] = Edition{Label: label, ID: v.ID, Schema: s}
	}
	return editions, nil
}

// RegistryHistory reads the history of the schemas in now from their subjects.
// The function subjectsOf has the same meaning as in [InRegistry]. The result
// subjects holds the subjects of each schema. If a schema has several subjects,
// the editions are those of the first name. A schema that differs from the
// latest version gets a last edition without a label.
func RegistryHistory(ctx context.Context, reg Registry, subjectsOf SubjectsOf, now *avsc.Set) (h *History, subjects map[*avsc.Schema][]string, err error) {
	h, subjects = &History{Editions: map[*avsc.Schema][]Edition{}}, map[*avsc.Schema][]string{}
	var schemas map[string]*avsc.Schema
	if subjectsOf != nil {
		schemas = subjectsOf(now)
	} else {
		var unknown string
		if schemas, unknown, err = subjectsOfTypes(ctx, reg, now); err != nil {
			return nil, nil, err
		}
		if unknown != "" {
			h.Skipped = append(h.Skipped, unknown)
		}
	}
	names := slices.Sorted(maps.Keys(schemas))
	found := make([][]Edition, len(names))
	skipped := make([]string, len(names))
	err = forEach(len(names), func(i int) error {
		editions, err := SubjectHistory(ctx, reg, names[i])
		var answer *registry.Error
		switch {
		case errors.Is(err, registry.ErrSubjectNotFound):
			return nil
		case errors.As(err, &answer) && answer.Status == http.StatusForbidden, errors.Is(err, registry.ErrNotAvro):
			skipped[i] = err.Error()
			return nil
		}
		found[i] = editions
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for i, name := range names {
		s := schemas[name]
		if skipped[i] != "" {
			h.Skipped = append(h.Skipped, skipped[i])
		}
		if len(found[i]) == 0 {
			continue
		}
		subjects[s] = append(subjects[s], name)
		if len(h.Editions[s]) > 0 {
			continue
		}
		if found[i][len(found[i])-1].Schema.Text() != s.Text() {
			found[i] = append(found[i], Edition{Schema: s})
		}
		h.Editions[s] = found[i]
	}
	return h, subjects, nil
}
