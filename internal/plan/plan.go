// Package plan reads data of one Avro schema, the writer's, as data of another,
// the reader's (Avro 1.12, "Schema Resolution"). Package internal/resolve
// decides how, and says it in [Step] values. [New] compiles them. Package
// serde/avrobin is what programs see of a [Plan].
package plan

import (
	"errors"
	"fmt"
	"slices"
)

// Plan reads data of one schema, the writer's, as data of another, the
// reader's, by the rules of Avro 1.12, "Schema Resolution".
//
// It is two things. A list of operations rewrites the writer's bytes into bytes
// of the reader's schema; where the schemas agree, runs of bytes are checked and
// copied as they are ([Plan.Append]). Generated records need that for little:
// for each record that has changed there is a [Layout], by which they read the
// message as it came, field by field in the writer's order, and have only those
// fields rewritten that are not encoded alike.
//
// A Plan is immutable and safe for concurrent use.
// The nil Plan and the zero Plan read nothing.
type Plan struct {
	reader      string
	fingerprint uint64
	ops         []op
	where       []string // per op, the path of its value within its body
	table       []int32  // jump targets, enum maps, permutations
	consts      []byte   // bytes to emit: defaults, union branches
	reasons     []refusal
	conversions []Conversion
	grow        int // what a datum grows by, loops aside

	layout   *layout // of the record that a datum is; nil for others
	stateful bool    // reading by the layout needs a transcoder

	added, addedPerByte int // the limit on added memory, 0 for the default
}

// refusal is why a value cannot be read; path leads on from where it is met.
type refusal struct{ path, reason string }

// Reader returns the full name of the type that the plan's output is of, empty
// where the reader's schema has no name.
func (p *Plan) Reader() string {
	if p == nil {
		return ""
	}
	return p.reader
}

// Fingerprint returns the CRC-64-AVRO of the reader schema's canonical form.
// A generated type refuses a plan whose fingerprint is not its own schema's.
func (p *Plan) Fingerprint() uint64 {
	if p == nil {
		return 0
	}
	return p.fingerprint
}

// Append rewrites data, one whole value of the writer's schema, into a value of
// the reader's schema, appended to dst. Arrays and maps come out as one block.
//
// It trusts nothing: every error is an *[Error] with path and offset in data,
// and dst comes back as it was. Bytes that are left over are an error. Memory
// and time are bounded by the data's length, [MaxDepth], [MaxEmpty] and the
// limit on what the reader's schema may add ([Plan.WithLimit]).
func (p *Plan) Append(dst, data []byte) ([]byte, error) {
	if p == nil || len(p.ops) == 0 {
		return dst, &Error{Err: errors.New("a plan that is nil or zero: make it with serde.Resolve")}
	}
	var t transcoder
	t.p, t.src, t.dst = p, data, slices.Grow(dst, len(data)+p.grow)
	t.empty, t.budget = MaxEmpty, p.limit(len(data))
	i := t.exec(0, 0, 1)
	if i >= 0 && i < len(data) {
		i = t.fail(i, "", fmt.Errorf("%w: %d of them", ErrTrailing, len(data)-i))
	}
	if i < 0 {
		return dst, t.err
	}
	return append(t.dst, data[t.mark:]...), nil
}

// The memory that the reader's schema may add to a message by default: fields
// that the writer does not have, and branches of unions.
const (
	DefaultAdded        = 64 << 20
	DefaultAddedPerByte = 64
)

// WithLimit returns a plan that reads as p does, but adds at most added bytes of
// memory to a message, and perByte more for each byte of the message. Zeros mean
// the defaults.
func (p *Plan) WithLimit(added, perByte int) *Plan {
	if p == nil {
		return nil
	}
	limited := *p
	limited.added, limited.addedPerByte = added, perByte
	return &limited
}

// limit is how much memory may be added to a message of size bytes.
func (p *Plan) limit(size int) int {
	added, perByte := p.added, p.addedPerByte
	if added == 0 {
		added = DefaultAdded
	}
	if perByte == 0 {
		perByte = DefaultAddedPerByte
	}
	return added + perByte*size
}
