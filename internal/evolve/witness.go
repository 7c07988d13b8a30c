package evolve

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde/avrobin"
)

// witnesses makes and tries witnesses for one pair of writer and reader.
type witnesses struct {
	plan  *avrobin.Plan
	err   error // why there is no plan: the reader cannot take any value
	sizes map[*avsc.Schema]int
	small map[*avsc.Schema]value // the smallest records

	matcher *resolve.Matcher
	made    int // the text of the witnesses so far
}

// maxPasses limits the passes over a schema that find the smallest values. A
// schema without cycles needs two passes, and a cycle usually needs one more. A
// value that needs more passes is no witness.
const maxPasses = 8

// infiniteSize is the size of values that never end, such as a record that
// holds itself.
const infiniteSize = math.MaxInt32

func newWitnesses(w, r *avsc.Schema, c *checker) *witnesses {
	x := &witnesses{small: map[*avsc.Schema]value{}, matcher: c.matcher}
	if c.group != nil && c.group.work <= 0 {
		x.made = maxWitnesses + 1
		return x
	}
	x.plan, x.err = resolve.Resolve(w, r)
	// Compute the minimum size of a value of each schema. Start at the leaves
	// and repeat until no size gets smaller.
	x.sizes = map[*avsc.Schema]int{}
	nodes := w.PostOrder(map[*avsc.Schema]bool{}, nil)
	if c.group != nil {
		c.group.work -= len(nodes)
	}
	for _, s := range nodes {
		x.sizes[s] = infiniteSize
	}
	changed := true
	for pass := 0; changed && pass < maxPasses; pass++ {
		changed = false
		for _, s := range nodes {
			if size := x.size(s); size < x.sizes[s] {
				x.sizes[s], changed = size, true
			}
		}
	}
	return x
}

func (x *witnesses) size(s *avsc.Schema) int {
	switch s.Kind {
	case avsc.Null:
		return 0
	case avsc.Float:
		return 4
	case avsc.Double:
		return 8
	case avsc.Fixed:
		return s.Size
	case avsc.Record:
		total := 0
		for _, f := range s.Fields {
			total = addSize(total, x.sizes[f.Type])
		}
		return total
	case avsc.Union:
		least := infiniteSize
		for _, b := range s.Branches {
			least = min(least, addSize(x.sizes[b], 1))
		}
		return least
	case avsc.Enum:
		if len(s.Symbols) == 0 {
			return infiniteSize
		}
		return 1
	default:
		return 1
	}
}

// addSize returns the sum of two sizes, and at most infiniteSize. An int of 32
// bits has no room for a larger sum.
func addSize(a, b int) int { return int(min(int64(a)+int64(b), infiniteSize)) }

// maxWitness limits the text of a witness, and maxWitnesses the text of all
// witnesses of one check. A witness of a wide record is as large as the record,
// and each field of the record may have a finding.
const (
	maxWitness   = 64 << 10
	maxWitnesses = 64 << 10
)

// noWitness is the reason why a finding has no witness. Only values that
// contain themselves reach the place.
const noWitness = "no value that ends shows it"

// noWitnessLimit is the reason why a late finding of many has no witness.
const noWitnessLimit = "the findings before show witnesses"

// make makes a witness for a finding and tries it.
func (x *witnesses) make(f incompatible) (*contract.Witness, string) {
	if x.made > maxWitnesses {
		return nil, noWitnessLimit
	}
	w, why := x.try(f)
	if w != nil {
		x.made += len(w.JSON)
	}
	return w, why
}

func (x *witnesses) try(f incompatible) (*contract.Witness, string) {
	if f.kind == LogicalTypeChanged {
		return x.changedMeaning(f)
	}
	v, ok := x.leaf(f)
	for i := len(f.route) - 1; i >= 0 && ok; i-- {
		v, ok = x.enclose(f.route[i], v)
	}
	if !ok {
		return nil, noWitness
	}
	if f.kind == DefaultMisfit { // a plan does not convert
		return &contract.Witness{JSON: v.json, Data: v.data, Reason: f.misfit.What}, ""
	}
	err := x.err
	if x.plan != nil {
		_, err = x.plan.Append(nil, v.data)
	}
	if err == nil {
		return nil, noWitness
	}
	return &contract.Witness{JSON: v.json, Data: v.data, Reason: err.Error()}, ""
}

// changedMeaning returns a witness that needs no trial. The witness shows how a
// reader without conversions misreads a value.
func (x *witnesses) changedMeaning(f incompatible) (*contract.Witness, string) {
	v, written, read := example(f.w, f.r)
	ok := true
	for i := len(f.route) - 1; i >= 0 && ok; i-- {
		v, ok = x.enclose(f.route[i], v)
	}
	if !ok {
		return nil, noWitness
	}
	return &contract.Witness{
		JSON: v.json, Data: v.data,
		Reason: fmt.Sprintf("written as %s, read as %s by readers that do not convert, such as Java's", written, read),
	}, ""
}

func (x *witnesses) leaf(f incompatible) (value, bool) {
	if f.field != nil { // any record is a witness
		return x.smallest(f.w)
	}
	return x.findUnreadable(f.w, f.r, map[pair]bool{})
}

// value is a value of the writer in both encodings.
type value struct {
	data []byte
	json string
}

// enclose puts a value into the smallest value of the parent.
func (x *witnesses) enclose(h hop, v value) (value, bool) {
	switch h.parent.Kind {
	case avsc.Union:
		return wrap(h.parent, h.i, v), true
	case avsc.Array:
		return value{concat([]byte{2}, v.data, []byte{0}), "[" + v.json + "]"}, true
	case avsc.Map:
		return value{concat([]byte{2, 2, 'k'}, v.data, []byte{0}), `{"k":` + v.json + "}"}, true
	default:
		return x.record(h.parent, h.i, v)
	}
}

func concat(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func wrap(union *avsc.Schema, i int, v value) value {
	b := union.Branches[i]
	out := value{data: append(binary.AppendVarint(nil, int64(i)), v.data...), json: v.json}
	if b.Kind != avsc.Null {
		name := b.Name
		if name == "" {
			name = b.Kind.String()
		}
		out.json = "{" + strconv.Quote(name) + ":" + v.json + "}"
	}
	return out
}

// record returns the smallest record with the value v in field i.
func (x *witnesses) record(s *avsc.Schema, i int, v value) (value, bool) {
	var out value
	var members []string
	size := 0
	for k, f := range s.Fields {
		field := v
		if k != i {
			var ok bool
			if field, ok = x.smallest(f.Type); !ok {
				return value{}, false
			}
		}
		out.data = append(out.data, field.data...)
		members = append(members, strconv.Quote(f.Name)+":"+field.json)
		if size += len(f.Name) + len(field.json); size > maxWitness {
			return value{}, false // the text may double with every level
		}
	}
	out.json = "{" + strings.Join(members, ",") + "}"
	return out, true
}

// smallest returns the smallest value of s.
func (x *witnesses) smallest(s *avsc.Schema) (value, bool) {
	if x.sizes[s] >= infiniteSize {
		return value{}, false
	}
	switch s.Kind {
	case avsc.Null:
		return value{nil, "null"}, true
	case avsc.Boolean:
		return value{[]byte{0}, "false"}, true
	case avsc.Int, avsc.Long:
		return value{[]byte{0}, "0"}, true
	case avsc.Float:
		return value{make([]byte, 4), "0"}, true
	case avsc.Double:
		return value{make([]byte, 8), "0"}, true
	case avsc.Bytes, avsc.String:
		return value{[]byte{0}, `""`}, true
	case avsc.Fixed:
		return value{make([]byte, s.Size), `"` + strings.Repeat(`\u0000`, s.Size) + `"`}, true
	case avsc.Enum:
		return symbol(s, 0), true
	case avsc.Array:
		return value{[]byte{0}, "[]"}, true
	case avsc.Map:
		return value{[]byte{0}, "{}"}, true
	case avsc.Record:
		if v, ok := x.small[s]; ok {
			return v, v.json != ""
		}
		v, ok := x.record(s, -1, value{})
		x.small[s] = v // the zero value if v is too large
		return v, ok
	default: // a union
		best := 0
		for i, b := range s.Branches {
			if x.sizes[b] < x.sizes[s.Branches[best]] {
				best = i
			}
		}
		v, ok := x.smallest(s.Branches[best])
		return wrap(s, best, v), ok
	}
}

func symbol(s *avsc.Schema, i int) value {
	return value{binary.AppendVarint(nil, int64(i)), strconv.Quote(s.Symbols[i].Name)}
}

// findUnreadable looks for a value of w that r cannot read. Each pair is
// visited once.
func (x *witnesses) findUnreadable(w, r *avsc.Schema, seen map[pair]bool) (value, bool) {
	key := pair{w, r}
	if seen[key] {
		return value{}, false
	}
	seen[key] = true
	switch {
	case w.Kind == avsc.Union:
		for i, b := range w.Branches {
			if v, ok := x.findUnreadable(b, r, seen); ok {
				return wrap(w, i, v), true
			}
		}
		return value{}, false
	case r.Kind == avsc.Union:
		i := x.matcher.Branch(w, r)
		if i < 0 {
			return x.smallest(w)
		}
		return x.findUnreadable(w, r.Branches[i], seen)
	case w.Kind != r.Kind:
		if resolve.Promotes(w.Kind, r.Kind) {
			return value{}, false
		}
		return x.smallest(w)
	case w.Kind.Named() && !resolve.SameName(w, r), w.Kind == avsc.Fixed && w.Size != r.Size:
		return x.smallest(w)
	}
	switch w.Kind {
	case avsc.Enum:
		if missing := resolve.MissingSymbols(w, r); len(missing) > 0 && r.EnumDefault == "" {
			for i, s := range w.Symbols {
				if s.Name == missing[0] {
					return symbol(w, i), true
				}
			}
		}
	case avsc.Array, avsc.Map:
		if v, ok := x.findUnreadable(w.Elem, r.Elem, seen); ok {
			return x.enclose(hop{w, 0}, v)
		}
	case avsc.Record:
		for _, f := range r.Fields {
			from := x.matcher.Fields(w, f)
			if len(from) > 1 || len(from) == 0 && f.Default == nil {
				return x.smallest(w)
			}
			if len(from) == 0 {
				continue
			}
			if v, ok := x.findUnreadable(w.Fields[from[0]].Type, f.Type, seen); ok {
				return x.record(w, from[0], v)
			}
		}
	default: // primitive, and the same
	}
	return value{}, false
}
