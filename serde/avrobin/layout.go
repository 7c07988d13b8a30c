package avrobin

import "github.com/avroline/avroline/internal/plan"

// Layout describes how a writer with another schema laid out a record. It has
// the writer's order of the reader's fields, and the data between the fields.
// Generated ReadAvroAs follows a Layout. So a message with a plan is read in
// the same way as a message without a plan: once, from the original bytes. A
// Layout is for a single message and is not safe for concurrent use.
type Layout plan.Layout

// LayoutReader reads a value with layout l from the front of src, and returns
// the bytes after the value. Every generated record implements LayoutReader.
type LayoutReader interface {
	ReadAvroAs(l Layout, src []byte) (rest []byte, err error)
}

// LayoutStep reads a field, or does the work between two fields. Field is the
// field's index in the reader's schema. If Field is -1, call [Layout.RunStep]
// for the step.
type LayoutStep plan.LayoutStep

// IsOwn reports whether the layout is the layout of the reader's own schema.
func (l Layout) IsOwn() bool { return plan.Layout(l).IsOwn() }

// FirstStep returns the first step, or nil if there is none. The steps are in
// the writer's order. If IsOwn is true, FirstStep must not be called.
func (l Layout) FirstStep() *LayoutStep { return (*LayoutStep)(plan.Layout(l).FirstStep()) }

// Next returns the step after s, or nil after the last step.
func (s *LayoutStep) Next() *LayoutStep { return (*LayoutStep)((*plan.LayoutStep)(s).Next()) }

// Inner returns the layout of the records inside the field of s.
func (l Layout) Inner(s *LayoutStep) Layout {
	return Layout(plan.Layout(l).Inner((*plan.LayoutStep)(s)))
}

// MinSize returns the minimum size of a record in bytes. own is the minimum
// size by the reader's own schema.
func (l Layout) MinSize(own int) int { return plan.Layout(l).MinSize(own) }

// RunStep runs a step that reads no field, and returns the bytes for the next
// step. If the next step reads a default or a rewritten field, the bytes are
// not in the message. Then rest keeps the remaining bytes of the message.
func (l Layout) RunStep(s *LayoutStep, src []byte, rest *[]byte) ([]byte, error) {
	src, err := plan.Layout(l).RunStep((*plan.LayoutStep)(s), src, rest)
	if err != nil {
		return src, planError(err)
	}
	return src, nil
}

// Rest returns the bytes of the message after the record. Call Rest after the
// last step.
func (l Layout) Rest(src, rest []byte) []byte { return plan.Layout(l).Rest(src, rest) }

// ReadDouble reads a double that was written as a double, a float, a long or an
// int (Avro 1.12, "Schema Resolution").
func (s *LayoutStep) ReadDouble(src []byte) (v float64, rest []byte, err error) {
	return (*plan.LayoutStep)(s).ReadDouble(src)
}

// ReadFloat reads a float that was written as a float, a long or an int.
func (s *LayoutStep) ReadFloat(src []byte) (v float32, rest []byte, err error) {
	return (*plan.LayoutStep)(s).ReadFloat(src)
}

// ReadEnumAs reads the index of an enum's symbol and maps the writer's symbol
// to the reader's. symbols is the number of the reader's symbols.
func ReadEnumAs[E ~int32](s *LayoutStep, src []byte, symbols int) (E, []byte, error) {
	p := (*plan.LayoutStep)(s)
	if !p.MapsSymbols() {
		return ReadEnum[E](src, symbols)
	}
	v, rest, err := p.ReadSymbol(src)
	return E(v), rest, err
}
