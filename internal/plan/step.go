package plan

import "fmt"

// StepKind is the kind of a [Step].
type StepKind uint8

// These are the kinds of steps. A kind named after a type copies a value of the
// type.
const (
	StepNull StepKind = iota
	StepBoolean
	StepInt    // of 32 bits
	StepLong   // of 64 bits
	StepFloat  // 4 bytes
	StepDouble // 8 bytes
	StepBytes  // bytes or a string; readers of either type take the same bytes
	StepFixed  // Size bytes
	StepArray  // uses Items
	StepMap    // uses Items
	StepRecord // uses Fields, and Defaults for fields that the writer does not have
	StepEnum   // uses Symbols
	StepUnion  // a union of the writer; uses Branches
	StepWrap   // a plain value for a union of the reader; uses Branch, then Items

	StepIntToLong // the bytes do not change

	// These promotions change the bytes.
	StepIntToFloat
	StepIntToDouble
	StepLongToFloat
	StepLongToDouble
	StepFloatToDouble

	// StepConvert reads another logical type. It uses Conversion.
	StepConvert

	// StepFail fails for every value. It uses Path and Reason.
	StepFail
)

// Step is one node of an uncompiled plan. A Step describes how a value of the
// writer's schema becomes a value of the reader's schema. Steps of recursive
// types point to themselves. Each kind uses the fields that the kind's comment
// names. Package internal/resolve builds steps.
type Step struct {
	Kind  StepKind
	Items *Step

	// Size is the number of bytes of a fixed. For an enum or a union, Size is
	// the number of symbols or branches of the reader.
	Size int

	Fields   []StepField // in the writer's order
	Defaults []StepDefault

	// Symbols holds the reader's index of each writer's symbol, or -1 if the
	// reader does not have the symbol. Names are the writer's symbols.
	Symbols []int
	Names   []string

	Branches []*Step // branches of the writer; a branch that the reader's union takes is a StepWrap
	Branch   int

	Conversion Conversion

	Path, Reason string
}

// StepField is a field of the writer's record.
type StepField struct {
	Name   string // the reader's name, or the writer's name for a skipped field
	Reader int    // index in the reader's record, or -1 to skip the field
	Step   *Step
}

// StepDefault is a field that only the reader has.
type StepDefault struct {
	Reader  int
	Data    []byte // the default in Avro binary
	Mutable bool   // the default contains bytes, which a program may write to
	Memory  int    // approximate size of the value in a Go program, in bytes
}

// New compiles steps into a plan. [Plan.Reader] and [Plan.Fingerprint] return
// the given full name and fingerprint of the reader. New returns an error if
// the steps are inconsistent.
func New(reader string, fingerprint uint64, root *Step) (p *Plan, err error) {
	c := compiler{
		p:         &Plan{reader: reader, fingerprint: fingerprint},
		uses:      map[*Step]int{},
		procs:     map[procKey]int{},
		empties:   map[*Step]bool{},
		voids:     map[*Step]int{},
		leasts:    map[*Step]int{},
		vanishing: map[*Step]bool{},
		layouts:   map[*Step]*layout{},
		changed:   map[*Step]bool{},
	}
	if err := c.count(root); err != nil {
		return nil, fmt.Errorf("plan for %s: %w", reader, err)
	}
	c.program(root)
	return c.p, nil
}
