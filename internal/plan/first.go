package plan

import (
	"errors"
	"slices"
)

// AppendFirst is [Plan.Append] for data that holds more than one value. It
// rewrites the first value and returns the bytes that follow that value.
func (p *Plan) AppendFirst(dst, data []byte) (out, rest []byte, err error) {
	return p.appendFirst(dst, data, 0)
}

// appendFirst makes room for size bytes before it rewrites the first value.
func (p *Plan) appendFirst(dst, data []byte, size int) (out, rest []byte, err error) {
	if p == nil || len(p.ops) == 0 {
		return dst, data, &Error{Err: errors.New("a plan that is nil or zero: make it with serde.Resolve")}
	}
	var t transcoder
	t.p, t.src, t.dst = p, data, slices.Grow(dst, size+p.grow)
	t.empty, t.budget, t.ctx = MaxEmpty, p.limit(len(data)), p.ctx
	end := t.exec(0, 0, 1)
	if end < 0 {
		return dst, data, t.err
	}
	return append(t.dst, data[t.mark:end]...), data[end:], nil
}
