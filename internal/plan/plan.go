// Package plan reads data of the writer's Avro schema as data of the reader's
// schema (Avro 1.12, "Schema Resolution"). Package internal/resolve decides how
// to read each value and writes the decision as [Step] values. [New] compiles
// the steps. Programs use a [Plan] through package serde/avrobin.
package plan

import (
	"context"
	"fmt"
	"math"
)

// Plan reads data of the writer's schema as data of the reader's schema, by the
// rules of Avro 1.12, "Schema Resolution".
//
// A Plan has two parts. The first part is a list of operations for
// [Plan.Append]. The operations rewrite the writer's bytes into bytes of the
// reader's schema. Where the schemas agree, [Plan.Append] checks runs of bytes
// and copies the runs unchanged.
//
// The second part is a [Layout] for each changed record. Generated records use
// the layouts. They read the original message field by field, in the writer's
// order. Only fields with another encoding are rewritten by the operations.
//
// A Plan is immutable and safe for concurrent use. The nil Plan and the zero
// Plan read nothing.
type Plan struct {
	reader      string
	fingerprint uint64
	ops         []op
	paths       []string // for each op, the path of the op's value within its body
	table       []int32  // jump targets, enum maps, permutations
	consts      []byte   // bytes to emit: defaults, union branches
	reasons     []refusal
	conversions []Conversion
	grow        int // bytes that a datum grows by, not counting loops

	layout   *layout // layout of the root record; nil if the root is no record
	stateful bool    // reading by the layout needs a transcoder
	wide     bool    // the message's size does not bound the memory of its records

	added, addedPerByte int // the limit on added memory; 0 means the default

	ctx context.Context //nolint:containedctx // see WithContext
}

// refusal is the reason why a value cannot be read. The path starts at the op
// that fails.
type refusal struct{ path, reason string }

// Reader returns the full name of the reader's type. The name is empty if the
// reader's schema has no name.
func (p *Plan) Reader() string {
	if p == nil {
		return ""
	}
	return p.reader
}

// Fingerprint returns the CRC-64-AVRO of the reader schema's canonical form. A
// generated type refuses a plan if the fingerprint is not the fingerprint of
// the type's own schema.
func (p *Plan) Fingerprint() uint64 {
	if p == nil {
		return 0
	}
	return p.fingerprint
}

// Append rewrites data into a value of the reader's schema and appends the
// value to dst. The data must be one whole value of the writer's schema. Append
// writes each array and each map as one block.
//
// Append does not trust the data. Every error is an *[Error] with a path and an
// offset in data. After an error, Append returns dst unchanged. Bytes after the
// value are an error. The data's length, [MaxDepth], [MaxEmpty] and the limit
// of [Plan.WithLimit] bound the memory and the time.
func (p *Plan) Append(dst, data []byte) ([]byte, error) {
	out, rest, err := p.appendFirst(dst, data, len(data))
	if err != nil {
		return dst, err
	}
	if len(rest) > 0 {
		return dst, &Error{Offset: len(data) - len(rest), Err: fmt.Errorf("%w: %d of them", ErrTrailing, len(rest))}
	}
	return out, nil
}

// The reader's schema adds memory to a message through fields that the writer
// does not have, and through branches of unions. These constants are the
// default limits on the added memory.
const (
	DefaultAdded        = 64 << 20
	DefaultAddedPerByte = 64
)

// WithLimit returns a copy of p with another limit on added memory. The
// reader's schema may add at most added bytes to a message, and perByte more
// for each byte of the message. A zero means the default.
func (p *Plan) WithLimit(added, perByte int) *Plan {
	if p == nil {
		return nil
	}
	limited := *p
	limited.added, limited.addedPerByte = added, perByte
	return &limited
}

// limit returns the number of bytes that may be added to a message of size
// bytes.
func (p *Plan) limit(size int) int {
	added, perByte := p.added, p.addedPerByte
	if added == 0 {
		added = DefaultAdded
	}
	if perByte == 0 {
		perByte = DefaultAddedPerByte
	}
	if size > 0 && perByte > (math.MaxInt-added)/size {
		return math.MaxInt
	}
	return added + perByte*size
}

// longMessage is the size of a message that takes about a millisecond. If a
// plan is wide, a smaller message may take long too.
const longMessage = 64 << 10

// WithContext returns a plan for one message of size bytes. After ctx has
// ended, reading by the plan fails with the cause of ctx. The plan looks at ctx
// once for some hundred elements of arrays and maps. If the message cannot take
// long, WithContext returns p itself.
func (p *Plan) WithContext(ctx context.Context, size int) *Plan {
	if p == nil || ctx.Done() == nil || size < longMessage && !p.wide {
		return p
	}
	stopping := *p
	stopping.ctx = ctx
	return &stopping
}
