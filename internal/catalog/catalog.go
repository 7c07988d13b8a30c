// Package catalog makes the documentation of schemas: a static site, Markdown
// pages, and an AsyncAPI document. The output depends only on the input, so
// equal schemas give equal bytes.
package catalog

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avrosample"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfmt"
	"github.com/avroline/avroline/internal/check"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde"
)

// These bounds keep the pages of huge schemas readable.
const (
	maxRows     = 1_000  // fields or symbols of one type
	maxDoc      = 10_000 // bytes of one doc
	maxDefault  = 300    // bytes of one default
	maxSchema   = 200_000
	maxExample  = 20_000
	goodExample = 2_500
	maxVersions = 50
	maxChanges  = 100 // of one version
)

// File is one file of the output. The path is relative to the output folder and
// has slashes.
type File struct {
	Path    string
	Content []byte
}

// Options hold the facts that are not in the schemas.
type Options struct {
	Title string // of the catalog; default "Schemas"

	// Subjects holds the subjects of each schema.
	Subjects map[*avsc.Schema][]string

	// Topics maps a topic to the full names of the types in the topic's values.
	// The topics of subjects like "TOPIC-value" and "TOPIC-key" are found
	// without an entry.
	Topics map[string][]string

	// History holds the editions of each schema, oldest first. History may be
	// nil.
	History map[*avsc.Schema][]check.Edition

	// SourceName returns the name of a file for the pages.
	SourceName func(string) string
}

// Catalog is the content of all forms of the documentation.
type Catalog struct {
	Title  string
	Types  []*Type // in the order of their names
	Topics []*Topic

	byType map[*avsc.Schema]*Type
}

// Type is one named type, or a file with a schema without a name.
type Type struct {
	Name   string // the full name, or the file's name if the schema has none
	Schema *avsc.Schema
	Source string // the file and the line of the definition
	Stem   string // the beginning of the names of the type's pages

	Uses, UsedBy []*Type // directly, in the order of their names
	Subjects     []string
	Topics       []*Topic
	Versions     []Version // newest first
	Older        int       // how many older versions are left out
}

// Topic is one topic of Kafka.
type Topic struct {
	Name         string
	Values, Keys []*Type
	Subjects     []string
}

// Version is one version of a type.
type Version struct {
	check.Edition
	Changes     []evolve.Change // against the version before
	MoreChanges int
	Breaks      []string // the sides that the step from the version before breaks
	First       bool     // there is no version before

	// ReadByNow reports whether the newest version can read data of this
	// version. ReadsNow reports whether this version can read data of the
	// newest version.
	ReadByNow, ReadsNow bool
}

// Breaking reports whether the step to this version breaks a reader or a
// writer.
func (v *Version) Breaking() bool { return len(v.Breaks) > 0 }

// New makes the catalog of the schemas in set.
func New(set *avsc.Set, opts Options) *Catalog {
	c := &Catalog{Title: cmp.Or(opts.Title, "Schemas"), byType: map[*avsc.Schema]*Type{}}
	if opts.SourceName == nil {
		opts.SourceName = func(name string) string { return name }
	}
	for _, f := range set.Files {
		for _, top := range f.Schemas {
			top.Walk(func(s *avsc.Schema) {
				if c.byType[s] == nil && (s.Kind.Named() || s == top) {
					c.add(s, f, opts)
				}
			})
		}
	}
	slices.SortFunc(c.Types, func(a, b *Type) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Name, b.Name))
	})
	c.stems()
	c.references()
	c.topics(opts)
	for _, t := range c.Types {
		t.history(opts.History[t.Schema])
	}
	return c
}

func (c *Catalog) add(s *avsc.Schema, f *avsc.File, opts Options) {
	t := &Type{Name: s.Name, Schema: s, Subjects: opts.Subjects[s]}
	file := cmp.Or(s.Pos.File, f.Name)
	if t.Name == "" {
		t.Name = path.Base(f.Name)
	}
	t.Source = opts.SourceName(file)
	if s.Pos.Line > 0 {
		t.Source = fmt.Sprintf("%s:%d", t.Source, s.Pos.Line)
	}
	c.byType[s] = t
	c.Types = append(c.Types, t)
}

// stems gives each type a unique file name. Names that differ only in capitals
// count as equal, because some systems do not distinguish capitals.
func (c *Catalog) stems() {
	taken := map[string]bool{}
	for _, t := range c.Types {
		stem := safeName(t.Name)
		for n := 2; taken[strings.ToLower(stem)]; n++ {
			stem = fmt.Sprintf("%s-%d", safeName(t.Name), n)
		}
		taken[strings.ToLower(stem)] = true
		t.Stem = stem
	}
}

// safeName keeps ASCII letters and digits, dots, underscores and hyphens. A
// long name is cut and gets a hash. A name that Windows reserves gets a prefix.
func safeName(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	if len(safe) > 120 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(name)) // cannot fail
		safe = fmt.Sprintf("%s-%08x", safe[:100], h.Sum32())
	}
	first, _, _ := strings.Cut(strings.ToLower(safe), ".")
	reserved := slices.Contains([]string{"", "con", "prn", "aux", "nul"}, first) ||
		len(first) == 4 && (strings.HasPrefix(first, "com") || strings.HasPrefix(first, "lpt"))
	if reserved || strings.HasPrefix(safe, "-") {
		safe = "_" + safe
	}
	return safe
}

func (c *Catalog) references() {
	usedBy := map[*Type]map[*Type]bool{}
	for _, t := range c.Types {
		uses := map[*Type]bool{}
		direct(t.Schema, func(s *avsc.Schema) {
			if u := c.byType[s]; u != nil {
				uses[u] = true
				if usedBy[u] == nil {
					usedBy[u] = map[*Type]bool{}
				}
				usedBy[u][t] = true
			}
		})
		t.Uses = byName(uses)
	}
	for _, t := range c.Types {
		t.UsedBy = byName(usedBy[t])
	}
}

// direct calls f for each named type that s refers to, except for types inside
// another named type.
func direct(s *avsc.Schema, f func(*avsc.Schema)) {
	stack := parts(nil, s)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if n.Kind.Named() {
			f(n)
			continue
		}
		stack = parts(stack, n)
	}
}

func parts(dst []*avsc.Schema, s *avsc.Schema) []*avsc.Schema {
	for _, field := range s.Fields {
		dst = append(dst, field.Type)
	}
	if s.Elem != nil {
		dst = append(dst, s.Elem)
	}
	return append(dst, s.Branches...)
}

func byName(set map[*Type]bool) []*Type {
	return slices.SortedFunc(maps.Keys(set), func(a, b *Type) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Stem, b.Stem))
	})
}

// topics finds the topics by the subjects and by the options.
func (c *Catalog) topics(opts Options) {
	topics := map[string]*Topic{}
	topic := func(name string) *Topic {
		if topics[name] == nil {
			topics[name] = &Topic{Name: name}
		}
		return topics[name]
	}
	add := func(list []*Type, t *Type) []*Type {
		if slices.Contains(list, t) {
			return list
		}
		return append(list, t)
	}
	for _, t := range c.Types {
		for _, subject := range t.Subjects {
			name, isKey, ok := topicOf(subject, t.Name)
			if !ok {
				continue
			}
			of := topic(name)
			of.Subjects = append(of.Subjects, subject)
			switch {
			case isKey:
				of.Keys = add(of.Keys, t)
			case t.Schema.Kind == avsc.Union: // several types in one topic
				for _, b := range t.Schema.Branches {
					if c.byType[b] != nil {
						of.Values = add(of.Values, c.byType[b])
					}
				}
			default:
				of.Values = add(of.Values, t)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(opts.Topics)) {
		of := topic(name)
		for _, full := range opts.Topics[name] {
			for _, t := range c.Types {
				if t.Name == full {
					of.Values = add(of.Values, t)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		of := topics[name]
		slices.Sort(of.Subjects)
		c.Topics = append(c.Topics, of)
		for _, t := range slices.Concat(of.Values, of.Keys) {
			if !slices.Contains(t.Topics, of) {
				t.Topics = append(t.Topics, of)
			}
		}
	}
}

// topicOf returns the topic of a subject. Registry clients name a subject
// TOPIC-value, TOPIC-key or TOPIC-FULLNAME. A context in front, as in
// ":.eu:orders-value", does not belong to the topic.
func topicOf(subject, fullName string) (topic string, isKey, ok bool) {
	if strings.HasPrefix(subject, ":.") {
		if _, rest, found := strings.Cut(subject[2:], ":"); found {
			subject = rest
		}
	}
	if topic, ok = strings.CutSuffix(subject, "-value"); ok && topic != "" {
		return topic, false, true
	}
	if topic, ok = strings.CutSuffix(subject, "-key"); ok && topic != "" {
		return topic, true, true
	}
	topic, ok = strings.CutSuffix(subject, "-"+fullName)
	return topic, false, ok && topic != ""
}

// history compares each edition with the edition before.
func (t *Type) history(editions []check.Edition) {
	if len(editions) == 0 {
		return
	}
	now := editions[len(editions)-1].Schema
	for i := len(editions) - 1; i >= 0; i-- {
		if len(t.Versions) == maxVersions {
			t.Older = i + 1
			break
		}
		e := editions[i]
		v := Version{Edition: e, First: i == 0, ReadByNow: true, ReadsNow: true}
		if e.Schema != now {
			v.ReadByNow, v.ReadsNow = resolve.ReadsEvery(e.Schema, now), resolve.ReadsEvery(now, e.Schema)
		}
		if i > 0 {
			v.compare(editions[i-1])
		}
		t.Versions = append(t.Versions, v)
	}
}

func (v *Version) compare(before check.Edition) {
	var d evolve.Differ
	d.Schemas(before.Schema, v.Schema)
	v.Changes = d.Changes
	if len(v.Changes) > maxChanges {
		v.MoreChanges = len(v.Changes) - maxChanges
		v.Changes = v.Changes[:maxChanges]
	}
	a := evolve.Version{Label: label(before), Schema: before.Schema}
	b := evolve.Version{Label: label(v.Edition), Schema: v.Schema}
	for _, newIsReader := range []bool{true, false} {
		reader, writer := b.Label, a.Label
		if !newIsReader {
			reader, writer = writer, reader
		}
		for _, f := range evolve.Check(b, a, newIsReader) {
			if len(v.Breaks) == maxChanges {
				return
			}
			text := fmt.Sprintf("Consumers on %s reading what %s wrote: %s", reader, writer, f.What)
			if f.Frame != "" {
				text += ", so that " + f.Frame
			}
			text += "."
			if f.Witness != nil {
				text += " For instance: " + shorten(f.Witness.JSON, maxDefault)
			}
			v.Breaks = append(v.Breaks, text)
		}
	}
}

func label(e check.Edition) string { return cmp.Or(e.Label, "the work tree") }

// Breaking reports whether a step in the shown history breaks a reader or a
// writer.
func (t *Type) Breaking() bool {
	return slices.ContainsFunc(t.Versions, func(v Version) bool { return v.Breaking() })
}

// Namespace returns the namespace of a type, or "" for a type without a
// namespace.
func (t *Type) Namespace() string { return t.Schema.Namespace() }

// Short returns the name without the namespace.
func (t *Type) Short() string {
	if t.Schema.Kind.Named() {
		return t.Schema.ShortName()
	}
	return t.Name
}

// Doc returns the doc of the type, or "" for a file without a named type.
func (t *Type) Doc() string { return shorten(clean(t.Schema.Doc), maxDoc) }

// Summary returns the first sentence of the doc.
func (t *Type) Summary() string { return firstSentence(t.Doc()) }

func firstSentence(doc string) string {
	doc = strings.Join(strings.Fields(doc), " ")
	for i := range len(doc) - 1 {
		if strings.IndexByte(".!?", doc[i]) >= 0 && doc[i+1] == ' ' {
			return shorten(doc[:i+1], 200)
		}
	}
	return shorten(doc, 200)
}

// clean replaces Windows line ends by line feeds. Other control characters
// become U+FFFD, and so do the marks that change the direction of the text.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == '\r':
			return '\n'
		case r < ' ', r >= 0x7F && r < 0xA0, r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029, r == 0xFFFE, r == 0xFFFF:
			return '\uFFFD'
		}
		return r
	}, s)
}

// shorten cuts a text to at most n bytes and marks the cut.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// schemaText returns the formatted schema, or "" if the schema is too long.
func (t *Type) schemaText() string {
	text := t.Schema.Text()
	if len(text)+leastIndentation(text) > maxSchema {
		return "" // many types inside each other are mostly indentation
	}
	if formatted, err := avscfmt.Format(t.Name, []byte(text)); err == nil {
		text = string(formatted)
	}
	if len(text) > maxSchema {
		return ""
	}
	return strings.TrimRight(clean(text), "\n")
}

// leastIndentation returns a lower bound of the indentation of a formatted
// schema: each object begins a line, or stands in the line of its parent.
func leastIndentation(text string) (n int) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			n += depth
			depth++
		case c == '}':
			depth--
		}
	}
	return n
}

// example returns a value in Avro's JSON encoding. If the first value is long,
// for example for a recursive type, example tries several values and takes the
// shortest. If all are too long, example returns "". A schema that is much
// longer than an example has long values, so example does not try.
func (t *Type) example() string {
	text := t.Schema.Text()
	if len(text) > 4*maxExample {
		return ""
	}
	g, err := serde.NewGeneric(text)
	if err != nil {
		return ""
	}
	shortest := ""
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed+1, 0)) //nolint:gosec // the values are to be the same again
		data, err := avrosample.Append(nil, r, t.Schema)
		if err != nil || len(data) > maxExample {
			continue
		}
		json, err := g.AppendJSON(nil, data)
		if err != nil || len(json) > maxExample {
			continue
		}
		if example := clean(indentJSON(json)); shortest == "" || len(example) < len(shortest) {
			shortest = example
		}
		if len(shortest) <= goodExample {
			break
		}
	}
	return shortest
}
