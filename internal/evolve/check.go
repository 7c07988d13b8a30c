// Package evolve decides whether versions of a schema are compatible, by the
// rules of schema registries. It also shows the breaking changes. Package
// registry/compat and the command use this package.
package evolve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/registry/contract"
)

// These are the types of findings that a registry also has. Instead of
// AmbiguousFieldAlias, a registry only reports that the check failed.
const (
	NameMismatch        = "NAME_MISMATCH"
	FixedSizeMismatch   = "FIXED_SIZE_MISMATCH"
	MissingEnumSymbols  = "MISSING_ENUM_SYMBOLS"
	MissingDefault      = "READER_FIELD_MISSING_DEFAULT_VALUE"
	TypeMismatch        = "TYPE_MISMATCH"
	MissingUnionBranch  = "MISSING_UNION_BRANCH"
	AmbiguousFieldAlias = "AMBIGUOUS_FIELD_ALIAS"
)

// Version is one version of a schema.
type Version struct {
	Label  string // the usual name, such as "version 3"
	Schema *avsc.Schema
}

// maxCauses limits the reported changes inside one union. maxCauseDepth limits
// the unions inside each other, if a group has no work left. If a change lies
// deeper, the innermost union is the cause.
const (
	maxCauses     = 20
	maxCauseDepth = 20
)

// maxFindings limits the findings of one check. As in the registry, a type that
// is used twice is reported twice. The number can therefore double with every
// level of types.
const maxFindings = 1000

// Check compares two versions in one direction. If newIsReader is true, the new
// version reads the data of the earlier version. Otherwise the earlier version
// reads the data of the new version. No findings mean that every value can be
// read.
func Check(newest, earlier Version, newIsReader bool) []contract.Finding {
	return check(nil, newest, earlier, newIsReader)
}

// Group checks schemas that are parts of each other. If a pair of types has a
// check of its own, the group does not check the pair again as part of another
// pair. A Group is not safe for concurrent use.
type Group struct {
	own     map[pair]bool // pairs of new and earlier schema
	matcher *resolve.Matcher

	ambiguities *ambiguities

	nodes map[*avsc.Schema]bool // the named types of the new schemas
	work  int                   // the number of nodes that may still be visited
}

// A finding's witness and causes need a walk over the schema of the check. In a
// chain of n schemas, the walks of all checks would visit n² nodes. A group
// visits groupWork nodes, and workPerNode more for each node of the group. The
// later checks have findings without witnesses, and look for causes only in the
// next maxCauseDepth unions.
const (
	groupWork   = 1 << 16
	workPerNode = 16
)

// NewGroup returns an empty group.
func NewGroup() *Group {
	return &Group{own: map[pair]bool{}, matcher: resolve.NewMatcher(), ambiguities: newAmbiguities(), nodes: map[*avsc.Schema]bool{}, work: groupWork}
}

// Add notes that the pair has a check of its own.
func (g *Group) Add(newest, earlier *avsc.Schema) {
	g.own[pair{newest, earlier}] = true
	newest.WalkNew(g.nodes, func(*avsc.Schema) { g.work += workPerNode })
}

// Check does the work of the function [Check] within the group.
func (g *Group) Check(newest, earlier Version, newIsReader bool) []contract.Finding {
	return check(g, newest, earlier, newIsReader)
}

// checkedSeparately reports whether a pair below the root has a check of its
// own.
func (c *checker) checkedSeparately(w, r *avsc.Schema) bool {
	if c.group == nil || !w.Kind.Named() {
		return false
	}
	if c.newIsReader {
		return c.group.own[pair{r, w}]
	}
	return c.group.own[pair{w, r}]
}

// readsEvery reports whether the reader takes every value. The branches of
// unions need only this answer, not the findings.
func (c *checker) readsEvery(w, r schemaPos) bool {
	if c.matched {
		return c.matcher.ReadsEvery(w.s, r.s)
	}
	return len(c.root(w, r)) == 0
}

func check(g *Group, newest, earlier Version, newIsReader bool) []contract.Finding {
	reader, writer := earlier, newest
	if newIsReader {
		reader, writer = newest, earlier
	}
	c := checker{group: g, newIsReader: newIsReader, memo: map[pair][]incompatible{}, matcher: resolve.NewMatcher()}
	if g != nil {
		c.matcher, c.matched = g.matcher, true
	}
	wp, rp := schemaPos{writer.Schema, writer.Schema.Pos}, schemaPos{reader.Schema, reader.Schema.Pos}
	found := c.root(wp, rp)
	if !slices.ContainsFunc(found, func(x incompatible) bool { return x.kind == AmbiguousFieldAlias }) {
		if x := c.findAmbiguous(wp, rp); x != nil {
			found = append(found, *x)
		}
	}
	found = append(found, c.logical(wp, rp, map[pair]bool{})...)
	if len(found) == 0 {
		return nil
	}
	w := newWitnesses(writer.Schema, reader.Schema, &c)
	causes := newCauses(&c)
	out := make([]contract.Finding, len(found))
	for i, x := range found {
		f := contract.Finding{
			Type: x.kind, Schema: newest.Schema.Name, Path: "/" + strings.Join(x.path, "/"), Place: namePath(reader.Schema, x.path),
			Message: x.message, Pos: contract.Position(x.at), NewIsReader: newIsReader,
		}
		if newIsReader {
			f.Who = "consumers on the new schema reading what " + earlier.Label + " wrote"
		} else {
			f.Who = "consumers on " + earlier.Label + " reading what you will write"
		}
		f.What = changeText(x, newIsReader, earlier.Label)
		f.Advice = advice(x, newIsReader, earlier.Label)
		for _, y := range causes.find(x) {
			f.Causes = append(f.Causes, contract.Cause{
				Type: y.kind, What: changeText(y, newIsReader, earlier.Label),
				Advice: advice(y, newIsReader, earlier.Label), Pos: contract.Position(y.at),
			})
		}
		if len(f.Causes) > 0 {
			f.Frame = f.What
			f.Pos, f.What, f.Advice = f.Causes[0].Pos, f.Causes[0].What, f.Causes[0].Advice
		}
		if x.registryOnly {
			f.NoWitness = noWitnessAmbiguous
		} else {
			f.Witness, f.NoWitness = w.make(x)
		}
		out[i] = f
	}
	return out
}

// EachCause returns one copy of the finding for each cause, with the cause's
// position, change and advice. Without causes, EachCause returns the finding
// itself.
func EachCause(f contract.Finding) []contract.Finding {
	if len(f.Causes) == 0 {
		return []contract.Finding{f}
	}
	all := make([]contract.Finding, len(f.Causes))
	for i, c := range f.Causes {
		all[i] = f
		all[i].Pos, all[i].What, all[i].Advice = c.Pos, c.What, c.Advice
	}
	return all
}

// namePath translates a registry's path into s to a path of the schemas' names.
func namePath(s *avsc.Schema, path []string) string {
	out := s.Name
	for i := 0; i < len(path); i++ {
		switch key := path[i]; {
		case key == "fields" && s.Kind == avsc.Record && i+1 < len(path):
			i++
			k, err := strconv.Atoi(path[i])
			if err != nil || k >= len(s.Fields) {
				return out
			}
			out += "." + s.Fields[k].Name
			s = s.Fields[k].Type
		case key == "items" && s.Kind == avsc.Array:
			out += "[]"
			s = s.Elem
		case key == "values" && s.Kind == avsc.Map:
			out += "{}"
			s = s.Elem
		case s.Kind == avsc.Union: // a branch, of the writer's union or of the current union
			if k, err := strconv.Atoi(key); err == nil && k < len(s.Branches) {
				s = s.Branches[k]
			}
		}
	}
	return strings.TrimPrefix(out, ".")
}

// schemaPos is a schema and the position where the schema is written. For a
// named type, this is the position of the reference, not of the definition.
type schemaPos struct {
	s  *avsc.Schema
	at avsc.Pos
}

type pair struct{ w, r *avsc.Schema }

// incompatible is an unfinished finding.
type incompatible struct {
	kind    string
	path    []string
	message string
	at      avsc.Pos // position in the new schema
	w, r    *avsc.Schema
	from    schemaPos   // the writer's type
	union   schemaPos   // the reader's union that has no branch for w
	field   *avsc.Field // the reader's field that has no usable default
	misfit  avsc.Misfit // the reason why the default of field is not usable
	route   []hop       // the way from the writer's root to w
	own     bool        // an alias of the field is the field's own name
	// registryOnly is true if the reader can read every value, although the
	// check of a registry fails.
	registryOnly bool
}

// branch reports whether the writer's type is a branch of a union and the
// reader has no union.
func (x incompatible) branch() bool {
	return x.kind == TypeMismatch && len(x.route) > 0 && x.route[len(x.route)-1].parent.Kind == avsc.Union
}

// hop is a step down the writer's schema. The step leads into field i or branch
// i of parent, or into the elements of parent.
type hop struct {
	parent *avsc.Schema
	i      int
}

// checker follows SchemaCompatibility of Apache Avro's Java, because registries
// use SchemaCompatibility. The checker has the same order and the same paths.
// It also repeats the findings of a pair of types that was compared before.
type checker struct {
	group       *Group // may be nil
	newIsReader bool
	memo        map[pair][]incompatible
	matcher     *resolve.Matcher
	matched     bool // the judge answers for the branches of unions
	path        []string
	route       []hop
}

func (c *checker) report(kind string, w, r schemaPos, message string, path ...string) incompatible {
	at := w.at
	if c.newIsReader {
		at = r.at
	}
	return incompatible{
		kind: kind, path: append(slices.Clone(c.path), path...), message: message,
		at: at, w: w.s, r: r.s, from: w, route: slices.Clone(c.route),
	}
}

// root compares two schemas with new, empty paths.
func (c *checker) root(w, r schemaPos) []incompatible {
	path := c.path
	c.path = nil
	found := c.compare(w, r)
	c.path = path
	return found
}

// compareBelow compares two schemas at a place below the current place.
func (c *checker) compareBelow(h hop, w, r schemaPos, path ...string) []incompatible {
	if c.checkedSeparately(w.s, r.s) {
		return nil
	}
	c.path = append(c.path, path...)
	c.route = append(c.route, h)
	found := c.compare(w, r)
	c.route = c.route[:len(c.route)-1]
	c.path = c.path[:len(c.path)-len(path)]
	return found
}

func (c *checker) compare(w, r schemaPos) []incompatible {
	if w.s.Kind.Primitive() || r.s.Kind.Primitive() {
		return c.calculate(w, r)
	}
	key := pair{w.s, r.s}
	if found, ok := c.memo[key]; ok {
		return found
	}
	c.memo[key] = nil // a recursive type is compatible until a finding shows otherwise
	found := c.calculate(w, r)
	c.memo[key] = found
	return found
}

func (c *checker) calculate(w, r schemaPos) (found []incompatible) {
	if w.s.Kind == avsc.Union {
		return c.writerUnion(w, r)
	}
	if w.s.Kind != r.s.Kind {
		switch {
		case r.s.Kind == avsc.Union:
			return c.readerUnion(w, r)
		case resolve.Promotes(w.s.Kind, r.s.Kind):
			return nil
		}
		return []incompatible{c.mismatch(w, r)}
	}
	if w.s.Kind.Named() && !resolve.SameName(w.s, r.s) {
		found = append(found, c.report(NameMismatch, w, r, "expected: "+w.s.Name, "name"))
	}
	switch w.s.Kind {
	case avsc.Array:
		return c.compareBelow(hop{w.s, 0}, schemaPos{w.s.Elem, w.s.ElemPos}, schemaPos{r.s.Elem, r.s.ElemPos}, "items")
	case avsc.Map:
		return c.compareBelow(hop{w.s, 0}, schemaPos{w.s.Elem, w.s.ElemPos}, schemaPos{r.s.Elem, r.s.ElemPos}, "values")
	case avsc.Fixed:
		if w.s.Size != r.s.Size {
			found = append(found, c.report(FixedSizeMismatch, w, r,
				fmt.Sprintf("expected: %d, found: %d", w.s.Size, r.s.Size), "size"))
		}
	case avsc.Enum:
		if missing := resolve.MissingSymbols(w.s, r.s); len(missing) > 0 && r.s.EnumDefault == "" {
			x := c.report(MissingEnumSymbols, w, r, "["+strings.Join(missing, ", ")+"]", "symbols")
			if !c.newIsReader {
				x.at = symbolPos(w.s, missing[0])
			}
			found = append(found, x)
		}
	case avsc.Record:
		found = append(found, c.record(w, r)...)
	default: // equal primitive types
	}
	return found
}

func (c *checker) mismatch(w, r schemaPos) incompatible {
	return c.report(TypeMismatch, w, r,
		fmt.Sprintf("reader type: %s not compatible with writer type: %s", typeName(r.s), typeName(w.s)))
}

// writerUnion checks that the reader takes each branch.
func (c *checker) writerUnion(w, r schemaPos) (found []incompatible) {
	for i, b := range w.s.Branches {
		branch := schemaPos{b, w.s.BranchPos[i]}
		if r.s.Kind != avsc.Union {
			found = append(found, c.compareBelow(hop{w.s, i}, branch, r, strconv.Itoa(i))...)
			continue
		}
		c.route = append(c.route, hop{w.s, i})
		if !c.readsEvery(branch, r) {
			found = append(found, c.report(MissingUnionBranch, branch, r,
				"reader union lacking writer type: "+typeName(b), strconv.Itoa(i)))
			found[len(found)-1].union = r
		}
		c.route = c.route[:len(c.route)-1]
	}
	return found
}

// readerUnion checks that one branch takes the writer's type.
func (c *checker) readerUnion(w, r schemaPos) []incompatible {
	for _, i := range c.matcher.Branches(w.s, r.s) {
		if c.readsEvery(w, schemaPos{r.s.Branches[i], r.s.BranchPos[i]}) {
			return nil
		}
	}
	x := c.report(MissingUnionBranch, w, r, "reader union lacking writer type: "+typeName(w.s))
	x.union = r
	return []incompatible{x}
}

func (c *checker) record(w, r schemaPos) (found []incompatible) {
	for k, f := range r.s.Fields {
		if len(found) > maxFindings {
			break
		}
		here := []string{"fields", strconv.Itoa(k)}
		field := schemaPos{f.Type, f.TypePos}
		from := c.matcher.Fields(w.s, f)
		switch {
		case len(from) == 1:
			wf := w.s.Fields[from[0]]
			found = append(found, c.compareBelow(hop{w.s, from[0]}, schemaPos{wf.Type, wf.TypePos}, field, append(here, "type")...)...)
			continue
		case len(from) > 1:
			x := c.report(AmbiguousFieldAlias, w, schemaPos{r.s, f.NamePos},
				fmt.Sprintf("%s matches the writer's fields %s and %s", f.Name, w.s.Fields[from[0]].Name, w.s.Fields[from[1]].Name), here...)
			x.field = f
			found = append(found, x)
		case f.Default != nil:
		case f.Type.Kind == avsc.Enum && f.Type.EnumDefault != "":
			// Java takes the enum's default for a default of the field, and
			// then compares the enum with the whole record.
			x := c.report(TypeMismatch, w, field,
				fmt.Sprintf("reader type: %s not compatible with writer type: %s", typeName(f.Type), typeName(w.s)), append(here, "type")...)
			x.r, x.field = r.s, f
			found = append(found, x)
		default:
			x := c.report(MissingDefault, w, schemaPos{r.s, f.NamePos}, f.Name, here...)
			x.field = f
			found = append(found, x)
		}
	}
	return found[:min(len(found), maxFindings)]
}

// typeName returns the name of a type in the form of the registry's messages.
func typeName(s *avsc.Schema) string { return strings.ToUpper(s.Kind.String()) }

func symbolPos(s *avsc.Schema, name string) avsc.Pos {
	for _, sym := range s.Symbols {
		if sym.Name == name {
			return sym.Pos
		}
	}
	return s.Pos
}
