package plan

import "fmt"

// explain sets t.err to the reason why op pc failed on the value at src[at:].
func (t *transcoder) explain(pc, at int) {
	o := t.p.ops[pc]
	e := &Error{Path: t.p.paths[pc], Offset: at}
	t.err = e
	if t.depth > MaxDepth {
		e.Path = ""
		e.Err = fmt.Errorf("%w: more than %d values inside one another", ErrDepth, MaxDepth)
		return
	}
	unreadable := func(r refusal) {
		e.Path = join(e.Path, r.path)
		e.Err = fmt.Errorf("%w: %s", ErrUnreadable, r.reason)
	}
	switch o.code {
	case opFail:
		unreadable(t.p.reasons[o.a])
		return
	case opEmit:
		e.Err = errDefaults
		return
	case opCharge:
		e.Err = errVoids
		return
	case opSwap, opPermute:
		e.Err = fmt.Errorf("%w: fields in another order, too many inside one another", ErrDepth)
		return
	case opFixed, opFloatToDouble:
		e.Err = ErrTruncated
		return
	case opBoolean:
		e.Err = ErrTruncated
		if at < len(t.src) {
			e.Err = fmt.Errorf("%w: a boolean of %#x", ErrInvalid, t.src[at])
		}
		return
	default: // the value begins with a number
	}
	v, next := longAt(t.src, at)
	if next < 0 {
		e.Err = longError(t.src, at)
		return
	}
	switch o.code {
	case opBytes:
		if v < 0 {
			e.Err = fmt.Errorf("%w: a length of %d", ErrInvalid, v)
		} else {
			e.Err = fmt.Errorf("%w: a length of %d with %d bytes left", ErrTruncated, v, len(t.src)-next)
		}
	case opEnum:
		e.Err = fmt.Errorf("%w: symbol %d of %d", ErrInvalid, v, o.a)
	case opEnumMap:
		if v >= 0 && v < int64(o.b) {
			unreadable(t.p.reasons[-t.p.table[int64(o.a)+v]-1])
			return
		}
		e.Err = fmt.Errorf("%w: symbol %d of %d", ErrInvalid, v, o.b)
	case opOptional:
		e.Err = fmt.Errorf("%w: branch %d of 2", ErrInvalid, v)
	case opUnion, opUnionCut:
		e.Err = fmt.Errorf("%w: branch %d of %d", ErrInvalid, v, o.b)
	default:
		e.Err = fmt.Errorf("%w: an int of %d", ErrInvalid, v)
	}
}

var (
	errDefaults = fmt.Errorf("%w: the reader's defaults make the message too large", ErrUnreadable)
	errVoids    = fmt.Errorf("%w: more than %d values that take no bytes", ErrInvalid, MaxEmpty)
)

// join joins two paths. Either path may be empty.
func join(a, b string) string {
	if a == "" || b == "" || b[0] == '[' {
		return a + b
	}
	return a + "." + b
}
