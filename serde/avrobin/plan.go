package avrobin

import (
	"unsafe"

	"github.com/avroline/avroline/internal/plan"
)

// Plan reads data of one schema, the writer's, as data of another, the
// reader's, by the rules of Avro 1.12, "Schema Resolution". serde.Resolve makes
// plans.
//
// A Plan is immutable and safe for concurrent use. The nil Plan and the zero
// Plan read nothing.
type Plan plan.Plan

// Reader returns the full name of the reader's type, empty where the reader's
// schema has no name.
func (p *Plan) Reader() string { return (*plan.Plan)(p).Reader() }

// Fingerprint says what the reader's schema means: it is the CRC-64-AVRO of the
// schema's canonical form with the logical types. A generated type refuses a plan
// whose fingerprint is not its own schema's.
func (p *Plan) Fingerprint() uint64 { return (*plan.Plan)(p).Fingerprint() }

// Append rewrites data, one whole value of the writer's schema, into a value of
// the reader's schema, appended to dst. Arrays and maps come out as one block.
//
// Every error is an *[Error] with path and offset in data, and dst comes back
// as it was. Bytes that are left over are an error. Memory and time are bounded
// by the data's length, [MaxDepth], [MaxEmpty] and the limit on what the
// reader's schema may add ([Plan.WithLimit]).
func (p *Plan) Append(dst, data []byte) ([]byte, error) {
	dst, err := (*plan.Plan)(p).Append(dst, data)
	if err != nil {
		return dst, planError(err)
	}
	return dst, nil
}

// WithLimit returns a plan that reads as p does and adds at most added bytes of
// memory to a message, and perByte more for each byte of the message: for fields
// that the writer's schema lacks and for branches of unions. A message that needs
// more is an [ErrUnreadable]. Zeros mean the defaults, 64 MiB and 64.
func (p *Plan) WithLimit(added, perByte int) *Plan {
	return (*Plan)((*plan.Plan)(p).WithLimit(added, perByte))
}

// Unmarshal reads data, one value of the writer's schema, into v, whose schema
// has the fingerprint. A plan for another one is an [ErrPlan].
// Generated UnmarshalAvroPlan is this. Strings and bytes of v share one copy of
// data, and another of what had to be rewritten.
func (p *Plan) Unmarshal(v LayoutReader, fingerprint uint64, data []byte) error {
	if p == nil || p.Fingerprint() != fingerprint {
		return &Error{Offset: -1, Err: ErrPlan}
	}
	l, ok := (*plan.Plan)(p).Layout(len(data))
	if !ok { // the writer's type is no record
		return p.UnmarshalRewritten(ownReader{v}, fingerprint, data)
	}
	src := Copy(data)
	rest, err := v.ReadAvroAs(Layout(l), src)
	if err == nil && len(rest) == 0 {
		return nil
	}
	e := notDone(src, rest, err)
	if !within(src, rest) {
		e.Offset = -1 // not in the message: a default, or a field that was rewritten
	}
	return e
}

// UnmarshalRewritten is [Plan.Unmarshal] for a type that is no record: the plan
// rewrites the message, and v reads the result.
func (p *Plan) UnmarshalRewritten(v ValueReader, fingerprint uint64, data []byte) error {
	if p == nil || p.Fingerprint() != fingerprint {
		return &Error{Offset: -1, Err: ErrPlan}
	}
	data, err := p.Append(nil, data)
	if err != nil {
		return err
	}
	return UnmarshalAlias(v, data)
}

// ownReader reads a record by its own schema.
type ownReader struct{ v LayoutReader }

func (o ownReader) ReadAvro(src []byte) ([]byte, error) { return o.v.ReadAvroAs(Layout{}, src) }

// within says whether part is a part of all.
func within(all, part []byte) bool {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(all)))
	return from <= uintptr(len(all))
}

// planError returns an error of package plan as one of this package.
func planError(err error) error {
	if e, ok := err.(*plan.Error); ok { //nolint:errorlint // never wrapped
		return &Error{Path: e.Path, Offset: e.Offset, Err: e.Err}
	}
	return err
}
