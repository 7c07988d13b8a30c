package plan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// op is one operation of a plan. Fields a, b and c are the operands.
type op struct {
	code    opcode
	a, b, c int32
}

type opcode uint8

const (
	opEnd opcode = iota // ends a body

	// These operations walk over a value that does not change.
	opBoolean
	opInt
	opLong     // a long; also walks over the a equal ops that follow
	opFixed    // a bytes
	opBytes    // a length and as many bytes; also walks over the a equal ops that follow
	opEnum     // an enum with a symbols
	opOptional // a union of two branches: branch a is null and jumps to op b, the other branch continues
	opUnion    // a union of b branches: branch k jumps to op table[a+k]
	opJump     // jumps to op a

	// These operations change the value.
	opCut      // copies the bytes walked over so far
	opDrop     // drops the bytes walked over since the last copy
	opEmit     // writes consts[a:a+b], which take c bytes of memory
	opUnionCut // like opUnion, but drops the index
	opEnumMap  // symbol k of b becomes table[a+k]; a negative entry x stands for reasons[-x-1]
	opIntToFloat
	opIntToDouble
	opLongToFloat
	opLongToDouble
	opFloatToDouble

	// These operations give the program its structure.
	opBlocks     // an array or map; the body follows, a is the op after the body, b holds the flags
	opSkipBlocks // like opBlocks, but drops the value
	opCall       // runs the body at op a
	opCharge     // charges a values that take no bytes
	opConvert    // applies conversions[a]
	opSegment    // starts a segment
	opSwap       // swaps the last two segments
	opPermute    // puts the last b segments into the order table[a:a+b]
	opFail       // fails with reasons[a]
)

// These are the flags of opBlocks and opSkipBlocks.
const (
	bodyEmpty = 1 << iota // elements take no bytes
	bodyMap
)

// compiler turns steps into operations. A record used in several places becomes
// a body of its own. Recursive records are such records. Every other step is
// laid out inline. Skipped values have separate bodies, which copy nothing.
type compiler struct {
	p         *Plan
	uses      map[*Step]int
	procs     map[procKey]int // number of the record's body
	empties   map[*Step]bool
	voids     map[*Step]int  // results of void for records
	leasts    map[*Step]int  // results of least for records
	vanishing map[*Step]bool // records that take no bytes in the reader's schema
	layouts   map[*Step]*layout
	records   []*Step        // all records, inner records first
	changed   map[*Step]bool // changed records
	todo      []procKey
	calls     []int // ops with the number of a body in a, until all bodies are placed

	path    string // path of the current value within the body
	skip    bool
	loops   int
	pending bool // some bytes were read, but neither copied nor dropped yet
}

type procKey struct {
	step *Step
	skip bool
}

// count counts the uses of each record and returns an error if a step is
// broken.
func (c *compiler) count(s *Step) error {
	if s == nil {
		return errors.New("a step is missing")
	}
	if c.uses[s]++; c.uses[s] > 1 {
		return nil
	}
	switch s.Kind {
	case StepArray, StepMap:
		return c.count(s.Items)
	case StepWrap:
		if s.Branch < 0 {
			return fmt.Errorf("branch %d", s.Branch)
		}
		return c.count(s.Items)
	case StepUnion:
		for _, b := range s.Branches {
			if err := c.count(b); err != nil {
				return err
			}
		}
	case StepFixed:
		if s.Size < 0 || s.Size > math.MaxInt32 {
			return fmt.Errorf("a fixed of %d bytes", s.Size)
		}
	case StepEnum:
		if len(s.Names) != len(s.Symbols) {
			return fmt.Errorf("%d names for %d symbols", len(s.Names), len(s.Symbols))
		}
	case StepRecord:
		seen := map[int]bool{}
		for _, f := range s.Fields {
			if f.Reader >= 0 && seen[f.Reader] {
				return fmt.Errorf("field %d of the reader comes twice", f.Reader)
			}
			seen[f.Reader] = true
			if err := c.count(f.Step); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
		for _, d := range s.Defaults {
			if d.Reader < 0 || seen[d.Reader] {
				return fmt.Errorf("field %d of the reader comes twice", d.Reader)
			}
			seen[d.Reader] = true
		}
		c.records = append(c.records, s)
	default: // has nothing inside
	}
	return nil
}

// program lays out the root and then the called bodies.
func (c *compiler) program(root *Step) {
	c.step(root)
	c.emit(opEnd, 0, 0)
	c.rootLayout(root)
	var at []int
	for len(at) < len(c.todo) {
		k := c.todo[len(at)]
		at = append(at, len(c.p.ops))
		c.path, c.skip, c.loops, c.pending = "", k.skip, 1, !k.skip
		c.record(k.step)
		c.emit(opEnd, 0, 0)
	}
	for _, pc := range c.calls {
		c.p.ops[pc].a = int32(at[c.p.ops[pc].a])
	}
}

func (c *compiler) emit(code opcode, a, b int) int {
	c.p.ops = append(c.p.ops, op{code: code, a: int32(a), b: int32(b)})
	c.p.paths = append(c.p.paths, c.path)
	return len(c.p.ops) - 1
}

// emitWalk emits an operation that leaves its value unchanged.
func (c *compiler) emitWalk(code opcode, a, b int) {
	pc := c.emit(code, a, b)
	c.pending = true
	if code != opBytes && code != opLong {
		return
	}
	// In a run of equal ops, each op also handles the ops after it. A jump into
	// the middle of the run therefore handles the rest of the run.
	const longest = 16
	for k := pc - 1; k > pc-longest && k >= 0 && c.p.ops[k].code == code; k-- {
		c.p.ops[k].a++
	}
}

func (c *compiler) step(s *Step) {
	if n := c.void(s); n >= 0 {
		if n > 1 && !c.skip {
			c.emit(opCharge, n, 0)
		}
		return
	}
	switch s.Kind {
	case StepNull:
	case StepBoolean:
		c.emitWalk(opBoolean, 0, 0)
	case StepInt, StepIntToLong:
		c.emitWalk(opInt, 0, 0)
	case StepLong:
		c.emitWalk(opLong, 0, 0)
	case StepFloat:
		c.emitWalk(opFixed, 4, 0)
	case StepDouble:
		c.emitWalk(opFixed, 8, 0)
	case StepBytes:
		c.emitWalk(opBytes, 0, 0)
	case StepFixed:
		if s.Size > 0 {
			c.emitWalk(opFixed, s.Size, 0)
		}
	case StepIntToFloat, StepIntToDouble, StepLongToFloat, StepLongToDouble, StepFloatToDouble:
		c.emit(opIntToFloat+opcode(s.Kind-StepIntToFloat), 0, 0)
		c.grow(8)
		c.pending = false
	case StepEnum:
		c.enum(s)
	case StepArray, StepMap:
		c.blocks(s)
	case StepRecord:
		if c.uses[s] > 1 {
			c.call(s)
			return
		}
		c.record(s)
	case StepUnion:
		c.union(s)
	case StepWrap:
		c.put(binary.AppendVarint(nil, int64(s.Branch)), branchMemory)
		c.step(s.Items)
	case StepConvert:
		c.p.conversions = append(c.p.conversions, s.Conversion)
		c.emit(opConvert, len(c.p.conversions)-1, 0)
		c.pending = false
	case StepFail:
		c.emit(opFail, c.reason(s.Path, s.Reason), 0)
	}
}

// branchMemory is the approximate memory of a value that becomes a branch of a
// union.
const branchMemory = 64

// put emits bytes that the writer did not write. These bytes take memory when a
// program reads them.
func (c *compiler) put(b []byte, memory int) {
	if c.skip || len(b) == 0 {
		return
	}
	pc := c.emit(opEmit, len(c.p.consts), len(b))
	c.p.ops[pc].c = int32(min(memory, math.MaxInt32))
	c.p.consts = append(c.p.consts, b...)
	c.grow(len(b))
	c.pending = false
}

func (c *compiler) grow(n int) {
	if c.loops == 0 {
		c.p.grow += n
	}
}

func (c *compiler) cut() {
	if c.pending {
		c.emit(opCut, 0, 0)
		c.pending = false
	}
}

func (c *compiler) reason(path, reason string) int {
	c.p.reasons = append(c.p.reasons, refusal{path, reason})
	return len(c.p.reasons) - 1
}

func (c *compiler) call(s *Step) {
	k := procKey{s, c.skip}
	n, ok := c.procs[k]
	if !ok {
		n = len(c.todo)
		c.procs[k] = n
		c.todo = append(c.todo, k)
	}
	c.calls = append(c.calls, c.emit(opCall, n, 0))
	c.pending = true
}

func (c *compiler) enum(s *Step) {
	same := true
	for i, r := range s.Symbols {
		same = same && i == r
	}
	if same || c.skip {
		c.emitWalk(opEnum, len(s.Symbols), 0)
		return
	}
	base := len(c.p.table)
	for i, r := range s.Symbols {
		if r < 0 {
			r = -1 - c.reason("", noSymbol(s.Names[i]))
		}
		c.p.table = append(c.p.table, int32(r))
	}
	c.emit(opEnumMap, base, len(s.Symbols))
	c.pending = false
}

func noSymbol(name string) string {
	return fmt.Sprintf("the reader's enum has no symbol %s and no default", name)
}

// blocks lays out an array or a map. A map's body begins with the key.
func (c *compiler) blocks(s *Step) {
	code, flags := opBlocks, 0
	if c.skip {
		code = opSkipBlocks
	}
	if s.Kind == StepMap {
		flags |= bodyMap
	} else if c.empty(s.Items) {
		flags |= bodyEmpty
		c.p.stateful = true // the transcoder counts the empty elements
	}
	pc := c.emit(code, 0, flags)
	path := c.path
	c.path = ""
	c.loops++
	c.pending = true
	if s.Kind == StepMap {
		c.emitWalk(opBytes, 0, 0)
	}
	c.step(s.Items)
	c.loops--
	c.emit(opEnd, 0, 0)
	c.path = path
	c.p.ops[pc].a = int32(len(c.p.ops))
	c.pending = true
}

// union lays out a union of the writer. If every branch keeps its index, the
// operations also walk over the index.
func (c *compiler) union(s *Step) {
	keeps := true
	for i, b := range s.Branches {
		keeps = keeps && (b.Kind == StepFail || b.Kind == StepWrap && b.Branch == i)
	}
	keeps = keeps || c.skip
	inner := func(b *Step) *Step {
		if keeps && b.Kind == StepWrap {
			return b.Items
		}
		return b
	}
	if keeps && len(s.Branches) == 2 {
		for i := range 2 {
			if inner(s.Branches[i]).Kind == StepNull {
				pc := c.emit(opOptional, i, 0)
				c.pending = true
				c.step(inner(s.Branches[1-i]))
				c.p.ops[pc].b = int32(len(c.p.ops))
				c.pending = true
				return
			}
		}
	}
	code := opUnion
	if !keeps {
		code = opUnionCut
	}
	base := len(c.p.table)
	c.p.table = slices.Grow(c.p.table, len(s.Branches))[:base+len(s.Branches)]
	c.emit(code, base, len(s.Branches))
	var ends []int
	for i, b := range s.Branches {
		c.p.table[base+i] = int32(len(c.p.ops))
		c.pending = keeps
		c.step(inner(b))
		if i+1 < len(s.Branches) {
			ends = append(ends, c.emit(opJump, 0, 0))
		}
	}
	for _, pc := range ends {
		c.p.ops[pc].a = int32(len(c.p.ops))
	}
	c.pending = true
}

// void returns the number of values in each value of s, at all depths, if
// values of s take no bytes in the writer's data and none in the reader's. The
// result is -1 if some value takes bytes, fails or holds itself without end.
// The plan does no work for values without bytes, because a schema of a few
// lines may have more of such values than any data has bytes.
func (c *compiler) void(s *Step) int {
	switch s.Kind {
	case StepNull:
		return 1
	case StepFixed:
		if s.Size == 0 {
			return 1
		}
		return -1
	case StepRecord:
		n, ok := c.voids[s]
		if ok {
			return n
		}
		c.voids[s] = -1
		for _, d := range s.Defaults {
			if len(d.Data) > 0 {
				return -1
			}
		}
		n = 1 + len(s.Defaults)
		for _, f := range s.Fields {
			inner := c.void(f.Step)
			if inner < 0 {
				return -1
			}
			n = bounded(n, inner)
		}
		c.voids[s] = n
		return n
	default:
		return -1
	}
}

// bounded returns the sum of two numbers that are not negative, and at most
// math.MaxInt32. An int of 32 bits has no room for a larger sum.
func bounded(a, b int) int { return int(min(int64(a)+int64(b), math.MaxInt32)) }

// voidFields returns the number of values without bytes in the fields of one
// record of s.
func (c *compiler) voidFields(s *Step) int {
	n := 0
	for _, f := range s.Fields {
		if f.Reader >= 0 {
			n = bounded(n, max(c.void(f.Step), 0))
		}
	}
	return n
}

// empty reports whether values of s take no bytes in the writer's data.
func (c *compiler) empty(s *Step) bool {
	switch s.Kind {
	case StepNull:
		return true
	case StepFixed:
		return s.Size == 0
	case StepWrap:
		return c.empty(s.Items)
	case StepFail:
		return true // takes no bytes before the failure
	case StepRecord:
		known, ok := c.empties[s]
		if ok {
			return known
		}
		c.empties[s] = true // assumed while a record that contains itself is examined
		for _, f := range s.Fields {
			if !c.empty(f.Step) {
				c.empties[s] = false
				return false
			}
		}
		return true
	default:
		return false
	}
}
