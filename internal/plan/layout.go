package plan

import "slices"

// Layout describes how another schema's writer lays out a record. A Layout
// gives the order of the reader's fields in the data, and the other bytes
// between these fields. Generated ReadAvroAs methods follow a Layout, so they
// read the original bytes of a message once, as without a plan. A Layout serves
// one message and is not safe for concurrent use.
type Layout struct {
	record *layout     // nil for the record's own schema
	t      *transcoder // nil if the plan needs no transcoder
}

// layout is the part of a plan for one pair of a writer's record and a reader's
// record.
type layout struct {
	plan           *Plan
	first          *LayoutStep
	last           *LayoutStep
	endsInDefaults bool // the last steps read defaults
	least          int  // minimum bytes of a record

	// added is the memory of the reader's fields that the writer does not have.
	// Fields of records nested by value are included. If a record is wide,
	// added is so large that the size of the message does not bound the memory.
	added int
	wide  bool
}

// LayoutStep reads one field, or does the work between two fields.
type LayoutStep struct {
	// Field is the index of the field in the reader's schema. The value -1
	// marks a step for [Layout.RunStep].
	Field int

	next    *LayoutStep
	kind    layoutKind
	size    int      // number of symbols or branches of the writer
	pc      int      // the body that walks over the field or rewrites the field
	data    []byte   // defaults
	added   int      // memory of the defaults
	mutable bool     // data contains bytes that a program may write to
	inner   *layout  // layout of the records inside the field; nil for unchanged records
	symbols []int32  // for an enum: the reader's index of each writer's symbol, or -1-k for reasons[k]
	reasons []string // why the reader refuses a symbol
}

type layoutKind uint8

const (
	layoutField      layoutKind = iota // read a field unchanged
	layoutInt                          // read a float or a double that was written as an int
	layoutLong                         // read a float or a double that was written as a long
	layoutFloat                        // read a double that was written as a float
	layoutSkipSize                     // skip a string or bytes
	layoutSkipLong                     // skip a long
	layoutSkip                         // skip the value that the body walks over
	layoutIndexBelow                   // check that the next field's index is an index of the writer
	layoutIsInt                        // check that the next field, a long, fits into an int
	layoutDefaults                     // read the next fields from data
	layoutRewrite                      // rewrite the next field by the plan
	layoutBack                         // continue in the message
)

// IsOwn reports whether the layout belongs to the reader's own schema.
func (l Layout) IsOwn() bool { return l.record == nil }

// FirstStep returns the first step, or nil if there are no steps. The steps
// come in the writer's order. Do not call FirstStep if IsOwn reports true.
func (l Layout) FirstStep() *LayoutStep { return l.record.first }

// Next returns the step after s, or nil after the last step.
func (s *LayoutStep) Next() *LayoutStep { return s.next }

// Inner returns the layout of the records inside the field of s.
func (l Layout) Inner(s *LayoutStep) Layout { return Layout{s.inner, l.t} }

// MinSize returns the minimum number of bytes of a record in this layout. The
// parameter own is the minimum by the record's own schema.
func (l Layout) MinSize(own int) int {
	if l.record == nil {
		return own
	}
	return l.record.least
}

// Wide reports whether memory for records must be allocated one record at a
// time, because the message may hold only a few bytes for each record.
func (l Layout) Wide() bool { return l.record != nil && l.record.wide }

// Layout returns the layout for a message of size bytes. The second result is
// false if the plan has no layout, because the type of the plan is no record.
func (p *Plan) Layout(size int) (Layout, bool) {
	if p.layout == nil {
		return Layout{}, false
	}
	l := Layout{record: p.layout}
	if p.stateful {
		l.t = &transcoder{p: p, empty: MaxEmpty, budget: p.limit(size), ctx: p.ctx}
	}
	return l, true
}

// RunStep runs a step that reads no field. RunStep returns the bytes from which
// the next field must be read. If these bytes are not part of the message, rest
// keeps the remaining message.
func (l Layout) RunStep(s *LayoutStep, src []byte, rest *[]byte) ([]byte, error) {
	switch s.kind {
	case layoutSkipSize:
		if v, i := longAt(src, 0); i >= 0 && uint64(v) <= uint64(len(src)-i) {
			return src[i+int(v):], nil
		}
	case layoutSkipLong:
		if i := skipLong(src, 0); i >= 0 {
			return src[i:], nil
		}
	case layoutSkip:
		return l.skip(s, src)
	case layoutIndexBelow:
		if v, i := longAt(src, 0); i >= 0 && uint64(v) < uint64(s.size) {
			return src, nil
		}
	case layoutIsInt:
		if v, i := longAt(src, 0); i >= 0 && int64(int32(v)) == v {
			return src, nil
		}
	case layoutDefaults:
		if l.t != nil {
			if l.t.budget -= s.added; l.t.budget < 0 {
				return src, &Error{Offset: -1, Err: errDefaults}
			}
			if l.t.contextEnded(-1, 1) {
				return src, l.t.err
			}
		}
		*rest = src
		if s.mutable {
			return slices.Clone(s.data), nil
		}
		return s.data, nil
	case layoutRewrite:
		return l.rewrite(s, src, rest)
	case layoutBack:
		return *rest, nil
	}
	return l.walk(s, src)
}

// Rest returns the bytes of the message after the record. Call Rest after the
// record's last step.
func (l Layout) Rest(src, rest []byte) []byte {
	if l.record.endsInDefaults {
		return rest
	}
	return src
}

// skip skips the bytes that the body of s walks over. Most kinds of fields need
// no transcoder here.
func (l Layout) skip(s *LayoutStep, src []byte) ([]byte, error) {
	i := 0
	for pc := s.pc; ; pc++ {
		switch o := &l.record.plan.ops[pc]; o.code {
		case opEnd:
			return src[i:], nil
		case opLong:
			if next := skipLong(src, i); next >= 0 {
				i = next
				continue
			}
		case opInt:
			if v, next := longAt(src, i); next >= 0 && int64(int32(v)) == v {
				i = next
				continue
			}
		case opBytes:
			if v, next := longAt(src, i); next >= 0 && uint64(v) <= uint64(len(src)-next) {
				i = next + int(v)
				continue
			}
		case opFixed:
			if int(o.a) <= len(src)-i {
				i += int(o.a)
				continue
			}
		case opBoolean:
			if i < len(src) && src[i] <= 1 {
				i++
				continue
			}
		case opOptional:
			if i < len(src) && src[i]&0xfd == 0 {
				if int32(src[i]>>1) == o.a { // null
					pc = int(o.b) - 1
				}
				i++
				continue
			}
		default:
		}
		return l.walk(s, src)
	}
}

// walk runs the body of s and returns the bytes after the value, or an error.
func (l Layout) walk(s *LayoutStep, src []byte) ([]byte, error) {
	t := l.t
	if t == nil {
		t = &transcoder{p: l.record.plan}
	}
	t.src, t.mark = src, 0
	i := t.exec(s.pc, 0, 1)
	if i < 0 {
		return failedAt(src, t.err)
	}
	return src[i:], nil
}

// failedAt returns err and the part of src that begins at the error's offset.
func failedAt(src []byte, err *Error) ([]byte, error) {
	return src[min(max(err.Offset, 0), len(src)):], err
}

// rewrite rewrites a field by the plan.
func (l Layout) rewrite(s *LayoutStep, src []byte, rest *[]byte) ([]byte, error) {
	t := l.t
	if t.contextEnded(0, 1) {
		return src, t.err
	}
	begin := len(t.dst)
	t.src, t.mark = src, 0
	i := t.exec(s.pc, 0, 1)
	if i < 0 {
		return failedAt(src, t.err)
	}
	t.dst = append(t.dst, src[t.mark:i]...)
	*rest = src[i:]
	return t.dst[begin:len(t.dst):len(t.dst)], nil
}
