package avrobin

import (
	"unsafe"

	"github.com/avroline/avroline/internal/plan"
)

// Plan reads data of the writer's schema as data of the reader's schema, by the
// rules of Avro 1.12, "Schema Resolution". serde.Resolve makes plans.
//
// A Plan is immutable and safe for concurrent use. The nil Plan and the zero
// Plan read nothing.
type Plan plan.Plan

// Reader returns the full name of the reader's type, or "" if the reader's
// schema has no name.
func (p *Plan) Reader() string { return (*plan.Plan)(p).Reader() }

// Fingerprint identifies the meaning of the reader's schema. It is the
// CRC-64-AVRO of the schema's canonical form with the logical types. A
// generated type refuses a plan with another fingerprint.
func (p *Plan) Fingerprint() uint64 { return (*plan.Plan)(p).Fingerprint() }

// Append reads data, a whole value of the writer's schema, and appends a value
// of the reader's schema to dst. Arrays and maps are written as a single block.
//
// Every error is an *[Error] with path and offset in data. After an error,
// Append returns dst unchanged. Bytes after the value are an error. Memory and
// time are bounded by the length of data, [MaxDepth], [MaxEmpty] and the limit
// of [Plan.WithLimit] for data that the reader's schema adds.
func (p *Plan) Append(dst, data []byte) ([]byte, error) {
	dst, err := (*plan.Plan)(p).Append(dst, data)
	if err != nil {
		return dst, planError(err)
	}
	return dst, nil
}

// WithLimit returns a copy of p with a limit on the memory that the plan adds
// to a message. The limit is added bytes, and perByte more for each byte of the
// message. The plan adds memory for fields that the writer's schema lacks and
// for branches of unions. If a message needs more, the error is
// [ErrUnreadable]. Zeros mean the defaults, 64 MiB and 64.
func (p *Plan) WithLimit(added, perByte int) *Plan {
	return (*Plan)((*plan.Plan)(p).WithLimit(added, perByte))
}

// Unmarshal reads data, a value of the writer's schema, into v. The schema of v
// must have the given fingerprint. Otherwise the error is [ErrPlan]. Generated
// UnmarshalAvroPlan calls Unmarshal. Strings and bytes of v share a copy of
// data, and a second copy of rewritten data.
func (p *Plan) Unmarshal(v LayoutReader, fingerprint uint64, data []byte) error {
	if p == nil || p.Fingerprint() != fingerprint {
		return &Error{Offset: -1, Err: ErrPlan}
	}
	l, ok := (*plan.Plan)(p).Layout(len(data))
	if !ok { // the writer's type is not a record
		return p.UnmarshalRewritten(ownReader{v}, fingerprint, data)
	}
	src := Copy(data)
	rest, err := v.ReadAvroAs(Layout(l), src)
	if err == nil && len(rest) == 0 {
		return nil
	}
	e := notDone(src, rest, err)
	if !within(src, rest) {
		e.Offset = -1 // in a default or a rewritten field
	}
	return e
}

// UnmarshalRewritten is [Plan.Unmarshal] for a type that is not a record. The
// plan rewrites the message, and v reads the result.
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

// ownReader reads a record with the record's own schema.
type ownReader struct{ v LayoutReader }

func (o ownReader) ReadAvro(src []byte) ([]byte, error) { return o.v.ReadAvroAs(Layout{}, src) }

// within reports whether part is a part of all.
func within(all, part []byte) bool {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(all)))
	return from <= uintptr(len(all))
}

// planError converts an error of package plan to an error of this package.
func planError(err error) error {
	if e, ok := err.(*plan.Error); ok { //nolint:errorlint // never wrapped
		return &Error{Path: e.Path, Offset: e.Offset, Err: e.Err}
	}
	return err
}
