package plan

import "fmt"

// StepKind says what a [Step] does.
type StepKind uint8

// The kinds of steps. Those named after a type copy a value of that type.
const (
	StepNull StepKind = iota
	StepBoolean
	StepInt    // of 32 bits
	StepLong   // of 64 bits
	StepFloat  // 4 bytes
	StepDouble // 8 bytes
	StepBytes  // bytes or a string; either reader takes the same bytes
	StepFixed  // Size bytes
	StepArray  // Items
	StepMap    // Items
	StepRecord // Fields, and Defaults for what the writer has not
	StepEnum   // Symbols
	StepUnion  // a union of the writer: Branches
	StepWrap   // a plain value for a union of the reader: its Branch, then Items

	StepIntToLong // the bytes stay as they are

	// Promotions that change the bytes.
	StepIntToFloat
	StepIntToDouble
	StepLongToFloat
	StepLongToDouble
	StepFloatToDouble

	// StepConvert reads another logical type: Conversion.
	StepConvert

	// StepFail fails for every value that comes to it: Path and Reason.
	StepFail
)

// Step is one node of a plan in the making: how a value of the writer's schema
// becomes one of the reader's. Steps of recursive types point to themselves.
// Each kind uses the fields that it names. Package
// internal/resolve builds steps.
type Step struct {
	Kind  StepKind
	Items *Step

	// Size is a fixed's bytes; of an enum or a union, how many symbols or branches
	// the reader has.
	Size int

	Fields   []StepField // in the writer's order
	Defaults []StepDefault

	// Symbols holds, for each symbol of the writer, the reader's index of it,
	// or -1 where the reader lacks it. Names are the writer's symbols.
	Symbols []int
	Names   []string

	Branches []*Step // of the writer; those with a Branch of the reader are StepWrap
	Branch   int

	Conversion Conversion

	Path, Reason string
}

// StepField is a field of the writer's record.
type StepField struct {
	Name   string // the reader's, or the writer's where it is skipped
	Reader int    // its place in the reader's record, -1 to skip it
	Step   *Step
}

// StepDefault is a field that only the reader has.
type StepDefault struct {
	Reader  int
	Data    []byte // the default in Avro binary
	Mutable bool   // it holds bytes, which a program may write to
	Memory  int    // about how many bytes the value takes in a Go program
}

// New compiles steps into a plan. The reader's full name and fingerprint are
// what [Plan.Reader] and [Plan.Fingerprint] return. The error is for steps that
// do not hang together.
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
