package avrobin

import "github.com/avroline/avroline/internal/plan"

// Layout says how another schema's writer has laid out a record: which of the
// reader's fields come in which order, and what else is between them. Generated
// ReadAvroAs goes by it, so that a message is read through a plan as it is
// without one: once, from the bytes as they came. A Layout serves one message; it
// is not for several goroutines.
type Layout plan.Layout

// LayoutReader reads one value, laid out as l says, from the front of src and
// returns what follows it. Every generated record does.
type LayoutReader interface {
	ReadAvroAs(l Layout, src []byte) (rest []byte, err error)
}

// LayoutStep reads one field, or does what is to be done between two. Its Field
// is the index of the field in the reader's schema; -1 says that the step is for
// [Layout.RunStep].
type LayoutStep plan.LayoutStep

// IsOwn reports whether the layout is that of the reader's own schema.
func (l Layout) IsOwn() bool { return plan.Layout(l).IsOwn() }

// FirstStep returns the first step, nil where there is none. The steps come in the
// writer's order. A layout that IsOwn must not be asked.
func (l Layout) FirstStep() *LayoutStep { return (*LayoutStep)(plan.Layout(l).FirstStep()) }

// Next returns the step after s, nil behind the last.
func (s *LayoutStep) Next() *LayoutStep { return (*LayoutStep)((*plan.LayoutStep)(s).Next()) }

// Inner returns the layout of the records inside the field of s.
func (l Layout) Inner(s *LayoutStep) Layout {
	return Layout(plan.Layout(l).Inner((*plan.LayoutStep)(s)))
}

// MinSize returns how few bytes a record of the layout takes, which by its own
// schema are own.
func (l Layout) MinSize(own int) int { return plan.Layout(l).MinSize(own) }

// RunStep does a step that reads no field and returns from where the next is to be
// read. While that is not in the message, rest keeps what is left of it.
func (l Layout) RunStep(s *LayoutStep, src []byte, rest *[]byte) ([]byte, error) {
	src, err := plan.Layout(l).RunStep((*plan.LayoutStep)(s), src, rest)
	if err != nil {
		return src, planError(err)
	}
	return src, nil
}

// Rest returns what follows the record in the message when its last step is done.
func (l Layout) Rest(src, rest []byte) []byte { return plan.Layout(l).Rest(src, rest) }

// ReadDouble reads a double, which the writer may have as a float, a long or an
// int (Avro 1.12, "Schema Resolution").
func (s *LayoutStep) ReadDouble(src []byte) (v float64, rest []byte, err error) {
	return (*plan.LayoutStep)(s).ReadDouble(src)
}

// ReadFloat reads a float, which the writer may have as a long or an int.
func (s *LayoutStep) ReadFloat(src []byte) (v float32, rest []byte, err error) {
	return (*plan.LayoutStep)(s).ReadFloat(src)
}

// ReadEnumAs reads the index of an enum's symbol, of which there are symbols, as
// s has it.
func ReadEnumAs[E ~int32](s *LayoutStep, src []byte, symbols int) (E, []byte, error) {
	p := (*plan.LayoutStep)(s)
	if !p.MapsSymbols() {
		return ReadEnum[E](src, symbols)
	}
	v, rest, err := p.ReadSymbol(src)
	return E(v), rest, err
}
