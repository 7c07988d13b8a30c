package evolve

import (
	"fmt"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
)

// These are the kinds of changes.
const (
	TypeAdded          = "TYPE_ADDED"
	TypeRemoved        = "TYPE_REMOVED"
	TypeRenamed        = "TYPE_RENAMED"
	TypeChanged        = "TYPE_CHANGED"
	FieldAdded         = "FIELD_ADDED"
	FieldRemoved       = "FIELD_REMOVED"
	FieldRenamed       = "FIELD_RENAMED"
	FieldsReordered    = "FIELDS_REORDERED"
	DefaultChanged     = "DEFAULT_CHANGED"
	OrderChanged       = "ORDER_CHANGED"
	SymbolAdded        = "SYMBOL_ADDED"
	SymbolRemoved      = "SYMBOL_REMOVED"
	SymbolsReordered   = "SYMBOLS_REORDERED"
	EnumDefaultChanged = "ENUM_DEFAULT_CHANGED"
	BranchAdded        = "BRANCH_ADDED"
	BranchRemoved      = "BRANCH_REMOVED"
	BranchesReordered  = "BRANCHES_REORDERED"
	SizeChanged        = "SIZE_CHANGED"
	AliasesChanged     = "ALIASES_CHANGED"
	DocChanged         = "DOC_CHANGED"
	PropertyChanged    = "PROPERTY_CHANGED"
)

// Change is one difference in meaning between two versions of a schema.
type Change struct {
	Kind string
	Path string // path by the schemas' names, such as shop.Order.lines[].price
	What string
	Pos  avsc.Pos // position in the new schema; for a removed part, in the old schema

	// OldReaders is the effect on readers of the old schema. OldData is the
	// effect on data that was written with the old schema.
	OldReaders, OldData Effect
}

// Breaks reports whether the change breaks something for some value.
func (c Change) Breaks() bool { return c.OldReaders.Breaks || c.OldData.Breaks }

// Text describes the change in sentences.
func (c Change) Text() string {
	s := c.What + "."
	if c.Path != "" {
		s = c.Path + ": " + s
	}
	if c.OldReaders.Text == c.OldData.Text {
		return s + " Old readers and old data: " + c.OldReaders.Text + "."
	}
	return s + " Old readers: " + c.OldReaders.Text + ". Old data: " + c.OldData.Text + "."
}

// Effect is the effect of a change on one side.
type Effect struct {
	Breaks bool
	Text   string
}

func effectNone(format string, args ...any) Effect { return Effect{Text: fmt.Sprintf(format, args...)} }

func effectBreaks(format string, args ...any) Effect {
	return Effect{Breaks: true, Text: fmt.Sprintf(format, args...)}
}

func nothing() Effect { return effectNone("nothing changes") }

// Differ collects changes. A Differ compares a pair of named types only once,
// at the first place where the pair appears.
type Differ struct {
	Changes []Change

	// Renamed holds the types of both sides that were compared under two names.
	Renamed map[*avsc.Schema]bool

	seen    map[pair]bool
	matcher *resolve.Matcher
}

// Schemas compares two versions of a schema.
func (d *Differ) Schemas(before, now *avsc.Schema) {
	if d.seen == nil {
		d.seen, d.matcher = map[pair]bool{}, resolve.NewMatcher()
	}
	d.schemas("", schemaPos{before, before.Pos}, schemaPos{now, now.Pos})
}

// Added notes a new schema.
func (d *Differ) Added(s *avsc.Schema) {
	d.add(TypeAdded, named(s), s.Pos, "new", nothing(), nothing())
}

// Removed notes a removed schema.
func (d *Differ) Removed(s *avsc.Schema) {
	d.add(TypeRemoved, named(s), s.Pos, "gone", effectNone("get no more of it"), effectBreaks("has no schema to be read with"))
}

// anotherMeaning returns the effect of reading w's data by r's logical type.
// The arguments of the format are the value written and the value read.
func anotherMeaning(format string, w, r *avsc.Schema) Effect {
	_, written, read := example(w, r)
	return effectBreaks(format, written, read)
}

func (d *Differ) add(kind, path string, at avsc.Pos, what string, oldReaders, oldData Effect) {
	d.Changes = append(d.Changes, Change{Kind: kind, Path: path, What: what, Pos: at, OldReaders: oldReaders, OldData: oldData})
}

func (d *Differ) schemas(path string, before, now schemaPos) {
	b, n := before.s, now.s
	if b.Kind != n.Kind {
		d.typeChanged(path, before, now)
		return
	}
	if b.Kind.Named() {
		if d.seen[pair{b, n}] {
			return
		}
		d.seen[pair{b, n}] = true
		path = n.Name
		d.names(path, b, n)
	}
	if b.Logical != n.Logical {
		d.add(LogicalTypeChanged, path, now.at, fmt.Sprintf("%s became %s", meaning(b), meaning(n)),
			anotherMeaning("read %s as %s unless they convert", n, b),
			anotherMeaning("of %s a reader makes %s unless it converts", b, n))
	}
	switch n.Kind {
	case avsc.Array:
		d.schemas(path+"[]", schemaPos{b.Elem, b.ElemPos}, schemaPos{n.Elem, n.ElemPos})
	case avsc.Map:
		d.schemas(path+"{}", schemaPos{b.Elem, b.ElemPos}, schemaPos{n.Elem, n.ElemPos})
	case avsc.Fixed:
		if b.Size != n.Size {
			d.add(SizeChanged, path, now.at, fmt.Sprintf("%d bytes became %d", b.Size, n.Size), effectBreaks("fail"), effectBreaks("fails"))
		}
	case avsc.Enum:
		d.enums(path, b, n)
	case avsc.Record:
		d.records(path, b, n)
	case avsc.Union:
		d.unions(path, before, now)
	default: // equal primitive types
	}
	d.properties(path, b, n)
}

// typeChanged finds the effects by the rules of resolution.
func (d *Differ) typeChanged(path string, before, now schemaPos) {
	d.add(TypeChanged, path, now.at, fmt.Sprintf("%s became %s", shortType(before.s), shortType(now.s)),
		d.reading(now.s, before.s, "read it", "fail"), d.reading(before.s, now.s, "is read", "fails"))
}

// reading returns the effect on a reader of a writer's data.
func (d *Differ) reading(w, r *avsc.Schema, well, badly string) Effect {
	if d.matcher.ReadsEvery(w, r) {
		return effectNone("%s", well)
	}
	if _, err := resolve.Resolve(w, r); err != nil {
		return effectBreaks("%s", badly)
	}
	return effectBreaks("%s for some values", badly)
}

// shortType describes a schema in a few words. A union is described by its
// branches.
func shortType(s *avsc.Schema) string {
	if s.Kind != avsc.Union {
		return named(s)
	}
	names := make([]string, len(s.Branches))
	for i, b := range s.Branches {
		names[i] = named(b)
	}
	return "[" + strings.Join(names, ", ") + "]"
}

func meaning(s *avsc.Schema) string {
	if s.Logical.Name == "" {
		return "plain " + s.Kind.String()
	}
	return s.Logical.String()
}

func (d *Differ) names(path string, b, n *avsc.Schema) {
	if b.Name != n.Name {
		if d.Renamed == nil {
			d.Renamed = map[*avsc.Schema]bool{}
		}
		d.Renamed[b], d.Renamed[n] = true, true
		d.add(TypeRenamed, path, n.Pos, fmt.Sprintf("was %s", b.Name),
			nameEffect(n, b, "read it", "fail: they do not know the name"),
			nameEffect(b, n, "is read", "fails: the old name is no alias"))
	}
	d.aliases(path, n.Pos, b.Aliases, n.Aliases)
	d.doc(path, n.Pos, b.Doc, n.Doc)
}

func nameEffect(w, r *avsc.Schema, well, badly string) Effect {
	if resolve.SameName(w, r) {
		return effectNone("%s", well)
	}
	return effectBreaks("%s", badly)
}

func (d *Differ) doc(path string, at avsc.Pos, before, now string) {
	if before != now {
		d.add(DocChanged, path, at, "another doc", nothing(), nothing())
	}
}

func (d *Differ) aliases(path string, at avsc.Pos, before, now []avsc.Alias) {
	var changes []string
	had, has := aliasSet(before), aliasSet(now)
	for _, a := range now {
		if !had[a.Name] {
			changes = append(changes, "new alias "+a.Name)
		}
	}
	oldData := nothing()
	for _, a := range before {
		if !has[a.Name] {
			changes = append(changes, "no more alias "+a.Name)
			oldData = effectNone("is read; still older data under that name is not")
		}
	}
	if len(changes) > 0 {
		d.add(AliasesChanged, path, at, strings.Join(changes, ", "), nothing(), oldData)
	}
}

func aliasSet(list []avsc.Alias) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, a := range list {
		set[a.Name] = true
	}
	return set
}

func (d *Differ) properties(path string, b, n *avsc.Schema) {
	if n.Kind == avsc.Union {
		return
	}
	d.props(path, n.Pos, b.Props, n.Props)
}

func (d *Differ) props(path string, at avsc.Pos, before, now []avsc.Member) {
	had, has := texts(before), texts(now)
	for _, m := range now {
		switch old := had[m.Key]; old {
		case m.Value.Text:
		case "":
			d.add(PropertyChanged, path, at, "new property "+m.Key, nothing(), nothing())
		default:
			d.add(PropertyChanged, path, at, "another value of property "+m.Key, nothing(), nothing())
		}
	}
	for _, m := range before {
		if has[m.Key] == "" {
			d.add(PropertyChanged, path, at, "no more property "+m.Key, nothing(), nothing())
		}
	}
}

// texts maps the keys of properties to the texts of their values.
func texts(list []avsc.Member) map[string]string {
	m := make(map[string]string, len(list))
	for _, p := range list {
		m[p.Key] = p.Value.Text
	}
	return m
}
