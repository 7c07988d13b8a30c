// Package resolve plans how to read data of one schema as data of another
// schema (Avro 1.12, "Schema Resolution"). The decisions follow Apache Avro's
// Java reader. If only some values can fail, the plan fails at these values.
package resolve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/plan"
	"github.com/avroline/avroline/serde/avrobin"
)

// Error is the reason why no value of the writer's schema can be read.
type Error struct {
	// Path leads to the place by the schemas' names, such as items[].kind.
	Path   string
	Reason string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

// Resolve plans the reading of the writer's data as the reader's data. The
// error is an *[Error]. If both schemas are the same, the plan checks data
// without changing values. Only the blocks of arrays and maps change, because
// each array or map becomes one block.
func Resolve(writer, reader *avsc.Schema) (*avrobin.Plan, error) {
	x := newResolver()
	step := x.step(writer, reader)
	if step.Kind == plan.StepFail {
		return nil, &Error{Path: step.Path, Reason: step.Reason}
	}
	p, err := plan.New(reader.Name, reader.MeaningFingerprint(), step)
	return (*avrobin.Plan)(p), err
}

type pair struct{ w, r *avsc.Schema }

// resolver is the state of one Resolve. Every step function returns a step of
// kind StepFail if no value can be read.
type resolver struct {
	steps map[pair]*plan.Step // of records, which may contain themselves
	whole map[pair]bool       // whether every value of the record can be read
	// trusted holds the pairs that are true in whole, in the order of the
	// checks.
	trusted  []pair
	index    FieldIndex
	branches BranchIndex
	memory   map[*avsc.Schema]int // results of goMemory for records
}

func newResolver() resolver {
	return resolver{
		steps: map[pair]*plan.Step{}, whole: map[pair]bool{}, index: FieldIndex{},
		branches: BranchIndex{}, memory: map[*avsc.Schema]int{},
	}
}

func fail(format string, args ...any) *plan.Step {
	return &plan.Step{Kind: plan.StepFail, Reason: fmt.Sprintf(format, args...)}
}

// withPath returns a failing step with the place name put before the step's
// path.
func withPath(name string, s *plan.Step) *plan.Step {
	path := name
	if s.Path != "" {
		if s.Path[0] != '[' {
			path += "."
		}
		path += s.Path
	}
	return &plan.Step{Kind: plan.StepFail, Path: path, Reason: s.Reason}
}

func (x *resolver) step(w, r *avsc.Schema) *plan.Step {
	switch {
	case w.Kind == avsc.Union:
		return x.writerUnion(w, r)
	case r.Kind == avsc.Union:
		return x.readerUnion(w, r)
	case w.Kind != r.Kind && !Promotes(w.Kind, r.Kind):
		return fail("%s cannot be read as %s", w.Describe(), r.Describe())
	}
	if w.Kind.Named() && !SameName(w, r) {
		return fail("%s cannot be read as %s: the names differ, and no alias of the reader's is %s",
			describe(w), describe(r), w.Name)
	}
	if w.Kind == avsc.Fixed && w.Size != r.Size {
		return fail("%d bytes of %s cannot be read as %d", w.Size, describe(w), r.Size)
	}
	if c, ok := conversion(w, r); !ok {
		return fail("%s cannot be read as %s", w.Logical, r.Logical)
	} else if c != nil {
		return &plan.Step{Kind: plan.StepConvert, Size: w.Size, Conversion: *c}
	}
	if kind, ok := promotion(w.Kind, r.Kind); ok {
		return &plan.Step{Kind: kind}
	}
	switch w.Kind {
	case avsc.Record:
		return x.record(w, r)
	case avsc.Enum:
		return enum(w, r)
	case avsc.Fixed:
		return &plan.Step{Kind: plan.StepFixed, Size: w.Size}
	case avsc.Array:
		return &plan.Step{Kind: plan.StepArray, Items: x.step(w.Elem, r.Elem)}
	case avsc.Map:
		return &plan.Step{Kind: plan.StepMap, Items: x.step(w.Elem, r.Elem)}
	default:
		return &plan.Step{Kind: primitive(w.Kind)}
	}
}

func primitive(k avsc.Kind) plan.StepKind {
	switch k {
	case avsc.Boolean:
		return plan.StepBoolean
	case avsc.Int:
		return plan.StepInt
	case avsc.Long:
		return plan.StepLong
	case avsc.Float:
		return plan.StepFloat
	case avsc.Double:
		return plan.StepDouble
	case avsc.Bytes, avsc.String:
		return plan.StepBytes
	default:
		return plan.StepNull
	}
}

// promotion returns the step that reads a value of kind w as kind r, if such a
// promotion exists.
func promotion(w, r avsc.Kind) (plan.StepKind, bool) {
	switch [2]avsc.Kind{w, r} {
	case [2]avsc.Kind{avsc.Int, avsc.Long}:
		return plan.StepIntToLong, true
	case [2]avsc.Kind{avsc.Int, avsc.Float}:
		return plan.StepIntToFloat, true
	case [2]avsc.Kind{avsc.Int, avsc.Double}:
		return plan.StepIntToDouble, true
	case [2]avsc.Kind{avsc.Long, avsc.Float}:
		return plan.StepLongToFloat, true
	case [2]avsc.Kind{avsc.Long, avsc.Double}:
		return plan.StepLongToDouble, true
	case [2]avsc.Kind{avsc.Float, avsc.Double}:
		return plan.StepFloatToDouble, true
	case [2]avsc.Kind{avsc.String, avsc.Bytes}, [2]avsc.Kind{avsc.Bytes, avsc.String}:
		return plan.StepBytes, true
	}
	return 0, false
}

// Promotes reports whether every value of the primitive kind w can be read as
// the other kind r.
func Promotes(w, r avsc.Kind) bool {
	_, ok := promotion(w, r)
	return ok
}

func (x *resolver) record(w, r *avsc.Schema) *plan.Step {
	key := pair{w, r}
	if s, ok := x.steps[key]; ok {
		return s
	}
	s := &plan.Step{Kind: plan.StepRecord}
	x.steps[key] = s
	if why := x.fields(s, w, r); why != nil {
		*s = *why // every step that refers to s also fails
	}
	return s
}

// fields fills s. The result is a failing step if no record can be read.
func (x *resolver) fields(s *plan.Step, w, r *avsc.Schema) *plan.Step {
	// The slice to holds the reader's field for each writer's field, or -1 for
	// none. As in Java, the reader's aliases rename the writer's fields. An
	// alias therefore goes before an equal name, and the last of several
	// aliases wins.
	to := make([]int, len(w.Fields))
	for i := range to {
		to[i] = -1
	}
	for k, f := range r.Fields {
		if w == r { // the writer's own schema has nothing to rename
			to[k] = k
			continue
		}
		found := x.index.Of(w, f)
		if len(found) > 1 {
			return withPath(f.Name, fail("both %s and %s of the writer go by this field's name or aliases",
				w.Fields[found[0]].Name, w.Fields[found[1]].Name))
		}
		if len(found) == 1 && (to[found[0]] < 0 || w.Fields[found[0]].Name != f.Name) {
			to[found[0]] = k
		}
	}
	has := make([]bool, len(r.Fields))
	for i, wf := range w.Fields {
		if to[i] < 0 {
			s.Fields = append(s.Fields, plan.StepField{Name: wf.Name, Reader: -1, Step: x.step(wf.Type, wf.Type)})
			continue
		}
		has[to[i]] = true
		rf := r.Fields[to[i]]
		step := x.step(wf.Type, rf.Type)
		if step.Kind == plan.StepFail {
			return withPath(rf.Name, step)
		}
		s.Fields = append(s.Fields, plan.StepField{Name: rf.Name, Reader: to[i], Step: step})
	}
	for k, f := range r.Fields {
		if has[k] {
			continue
		}
		if f.Default == nil {
			return withPath(f.Name, fail("the writer has no such field and the reader has no default for it"))
		}
		data, err := f.Type.AppendDefault(nil, f.Default)
		if err != nil {
			return withPath(f.Name, fail("the reader's default: %v", err))
		}
		s.Defaults = append(s.Defaults, plan.StepDefault{
			Reader: k, Data: data, Mutable: hasBytes(f.Type, map[*avsc.Schema]bool{}),
			Memory: x.goMemory(f.Type) + elementMemory*max(0, len(data)-1),
		})
	}
	return nil
}

// hasBytes reports whether values of s may hold bytes. The map seen holds the
// visited records.
func hasBytes(s *avsc.Schema, seen map[*avsc.Schema]bool) bool {
	switch s.Kind {
	case avsc.Bytes:
		return true
	case avsc.Array, avsc.Map:
		return hasBytes(s.Elem, seen)
	case avsc.Union:
		return slices.ContainsFunc(s.Branches, func(b *avsc.Schema) bool { return hasBytes(b, seen) })
	case avsc.Record:
		if seen[s] {
			return false
		}
		seen[s] = true
		return slices.ContainsFunc(s.Fields, func(f *avsc.Field) bool { return hasBytes(f.Type, seen) })
	default:
		return false
	}
}

func enum(w, r *avsc.Schema) *plan.Step {
	index := make(map[string]int, len(r.Symbols))
	for i, s := range r.Symbols {
		index[s.Name] = i
	}
	other := -1
	if i, ok := index[r.EnumDefault]; ok && r.EnumDefault != "" {
		other = i
	}
	s := &plan.Step{Kind: plan.StepEnum, Size: len(r.Symbols)}
	some := len(w.Symbols) == 0
	for _, sym := range w.Symbols {
		i, ok := index[sym.Name]
		if !ok {
			i = other
		}
		some = some || i >= 0
		s.Symbols = append(s.Symbols, i)
		s.Names = append(s.Names, sym.Name)
	}
	if !some {
		return fail("%s and %s have no symbol in common, and the reader's has no default", describe(w), describe(r))
	}
	return s
}

// writerUnion decides each branch separately.
func (x *resolver) writerUnion(w, r *avsc.Schema) *plan.Step {
	s := &plan.Step{Kind: plan.StepUnion, Size: len(r.Branches)}
	var why []string
	for _, b := range w.Branches {
		step := x.step(b, r)
		if step.Kind == plan.StepFail {
			why = append(why, step.Reason)
		}
		s.Branches = append(s.Branches, step)
	}
	if len(why) == len(w.Branches) && len(why) > 0 {
		return fail("%s", strings.Join(why, "; "))
	}
	return s
}

// readerUnion reads a plain value into a branch of the reader.
func (x *resolver) readerUnion(w, r *avsc.Schema) *plan.Step {
	i := x.branch(w, r)
	if i < 0 {
		return fail("the reader's union has no branch for %s", describe(w))
	}
	inner := x.step(w, r.Branches[i])
	if inner.Kind == plan.StepFail {
		return inner
	}
	return &plan.Step{Kind: plan.StepWrap, Branch: i, Items: inner}
}

// branch returns the index of the reader's branch that reads w, or -1 if no
// branch does. The order of preference is:
//
//  1. a branch of w's own type; of several named branches, first the
//     branch with the same full name, then a match by SameName
//  2. the first branch that w can be promoted to
//  3. a branch with a logical type that w's logical type does not
//     convert to
//
// Of several named branches, a branch that takes only some values of w gives
// way to a branch that takes all.
func (x *resolver) branch(w, r *avsc.Schema) int {
	// Look for the usual case first, because a union may have thousands of
	// branches with the same name in different namespaces.
	if i := x.branches.Namesake(w, r); i >= 0 && r.Branches[i].Kind == w.Kind {
		if _, ok := conversion(w, r.Branches[i]); ok && x.readsEvery(w, r.Branches[i]) {
			return i
		}
	}
	var named []int
	other := -1 // a branch with a logical type that w cannot be read as
	may := x.branches.Of(w, r)
	for _, i := range may {
		b := r.Branches[i]
		if b.Kind != w.Kind {
			continue
		}
		if _, ok := conversion(w, b); !ok {
			other = i
			continue
		}
		if w.Name == "" {
			return i
		}
		if w.Name == b.Name {
			named = slices.Insert(named, 0, i)
		} else if SameName(w, b) {
			named = append(named, i)
		}
	}
	for _, i := range named {
		if x.readsEvery(w, r.Branches[i]) {
			return i
		}
	}
	if len(named) > 0 {
		return named[0]
	}
	for _, i := range may {
		b := r.Branches[i]
		if !Promotes(w.Kind, b.Kind) {
			continue
		}
		if _, ok := conversion(w, b); ok {
			return i
		}
		if other < 0 {
			other = i
		}
	}
	return other
}

// describe returns the type of a schema for an error, with the name if the type
// has one.
func describe(s *avsc.Schema) string {
	if s.Name != "" {
		return s.Kind.String() + " " + s.Name
	}
	return s.Kind.String()
}
