package plan

import "slices"

// Layout says how another schema's writer has laid out a record: which of the
// reader's fields come in which order, and what else is between them. Generated
// ReadAvroAs goes by it, so that a message is read through a plan as it is
// without one: once, from the bytes as they came. A Layout serves one message; it
// is not for several goroutines.
type Layout struct {
	record *layout     // nil for the record's own schema
	t      *transcoder // nil where the plan needs none
}

// layout is the plan of one record of the writer for one of the reader.
type layout struct {
	plan           *Plan
	first          *LayoutStep
	last           *LayoutStep
	endsInDefaults bool // the last steps read defaults
	least          int  // bytes that a record takes

	// added is the memory of the reader's fields that the writer does not have,
	// those of records inside by value included. A wide record has so many that
	// its size says nothing about the message's.
	added int
	wide  bool
}

// LayoutStep reads one field, or does what is to be done between two.
type LayoutStep struct {
	// Field is the index of the field in the reader's schema; -1 says that the
	// step is for [Layout.RunStep].
	Field int

	next    *LayoutStep
	kind    layoutKind
	size    int      // how many symbols or branches the writer has
	pc      int      // the body that walks over the field or rewrites it
	data    []byte   // defaults
	added   int      // memory that they take
	mutable bool     // data has bytes that a program may write to
	inner   *layout  // of the records inside the field; nil for as they are
	symbols []int32  // of an enum: the reader's for each of the writer's, or -1-k for why not,
	reasons []string // by k
}

type layoutKind uint8

const (
	layoutField      layoutKind = iota // read a field as it is
	layoutInt                          // read a float or a double that was written as an int,
	layoutLong                         // as a long,
	layoutFloat                        // or as a float
	layoutSkipSize                     // leave out a string or bytes,
	layoutSkipLong                     // a long,
	layoutSkip                         // or what else the body walks over
	layoutIndexBelow                   // see that the next field's index is one of the writer's
	layoutIsInt                        // see that the next field, a long, is an int
	layoutDefaults                     // read the next fields from data
	layoutRewrite                      // have the plan rewrite the next field
	layoutBack                         // read on in the message
)

// IsOwn reports whether the layout is that of the reader's own schema.
func (l Layout) IsOwn() bool { return l.record == nil }

// FirstStep returns the first step, nil where there is none. The steps come in the
// writer's order. A layout that IsOwn must not be asked.
func (l Layout) FirstStep() *LayoutStep { return l.record.first }

// Next returns the step after s, nil behind the last.
func (s *LayoutStep) Next() *LayoutStep { return s.next }

// Inner returns the layout of the records inside the field of s.
func (l Layout) Inner(s *LayoutStep) Layout { return Layout{s.inner, l.t} }

// MinSize returns how few bytes a record of the layout takes, which by its own
// schema are own.
func (l Layout) MinSize(own int) int {
	if l.record == nil {
		return own
	}
	return l.record.least
}

// Wide reports whether room for records must be made as they are read: the
// message may hold few bytes for each.
func (l Layout) Wide() bool { return l.record != nil && l.record.wide }

// Layout returns the layout by which a message of size bytes is read, false
// where the plan has none: the type that it reads is no record.
func (p *Plan) Layout(size int) (Layout, bool) {
	if p.layout == nil {
		return Layout{}, false
	}
	l := Layout{record: p.layout}
	if p.stateful {
		l.t = &transcoder{p: p, empty: MaxEmpty, budget: p.limit(size)}
	}
	return l, true
}

// RunStep does a step that reads no field and returns from where the next is to be
// read. While that is not in the message, rest keeps what is left of it.
func (l Layout) RunStep(s *LayoutStep, src []byte, rest *[]byte) ([]byte, error) {
	switch s.kind {
	case layoutSkipSize:
		if v, i := longAt(src, 0); i >= 0 && uint64(v) <= uint64(len(src)-i) {
			return src[i+int(v):], nil
		}
	case layoutSkipLong:
		if i := behindLong(src, 0); i >= 0 {
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

// Rest returns what follows the record in the message when its last step is done.
func (l Layout) Rest(src, rest []byte) []byte {
	if l.record.endsInDefaults {
		return rest
	}
	return src
}

// skip leaves out what the body of s walks over. For what most fields are it
// needs no transcoder.
func (l Layout) skip(s *LayoutStep, src []byte) ([]byte, error) {
	i := 0
	for pc := s.pc; ; pc++ {
		switch o := &l.record.plan.ops[pc]; o.code {
		case opEnd:
			return src[i:], nil
		case opLong:
			if next := behindLong(src, i); next >= 0 {
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

// walk runs the body of s for where it ends, or for what is wrong.
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

// failedAt returns err and, of src, what is left where it happened.
func failedAt(src []byte, err *Error) ([]byte, error) {
	return src[min(max(err.Offset, 0), len(src)):], err
}

// rewrite has the plan rewrite a field.
func (l Layout) rewrite(s *LayoutStep, src []byte, rest *[]byte) ([]byte, error) {
	t := l.t
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
