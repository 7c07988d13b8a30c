package plan

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// transcoder is one run of a plan.
//
// Let i be the reading position. The bytes src[mark:i] are checked but not yet
// copied. An operation that changes nothing only moves i. The first operation
// that changes something copies the whole run.
type transcoder struct {
	p      *Plan
	src    []byte
	dst    []byte
	mark   int
	starts stack // positions in dst of the segments that an opPermute will reorder
	depth  int
	empty  int // number of values without bytes that may still come
	budget int // bytes of memory that the reader may still take beyond the data

	ctx   context.Context //nolint:containedctx // a transcoder lives as long as one call; nil if nothing can stop the call
	since int             // elements since the last look at ctx

	// After a failure, left is the number of iterations that the innermost
	// failed body had left. The field iter is the position in src where the
	// current iteration began.
	err             *Error
	allowance, iter int
}

// fail records why the value at src[i:] cannot be read and returns -1.
func (t *transcoder) fail(i int, path string, err error) int {
	t.err = &Error{Path: path, Offset: i, Err: err}
	return -1
}

// exec runs the body at op pc n times over src[i:] and returns the position
// after the values. On a failure, exec sets t.err and returns -1. The argument
// n is at least 1.
//
// The reason of a failure is found by [transcoder.explain], so that the loop of
// exec stays small.
func (t *transcoder) exec(pc, i, n int) int {
	var (
		ops   = t.p.ops
		src   = t.src
		dst   = t.dst
		mark  = t.mark
		start = pc
		begin = i
		at    = i // where the value of the current op begins
		v     int64
	)
	if t.depth++; t.depth > MaxDepth {
		goto failed
	}
	for {
		o := &ops[pc]
		at = i
		pc++
		switch o.code {
		case opEnd:
			if n--; n == 0 {
				t.dst, t.mark = dst, mark
				t.depth--
				return i
			}
			pc, begin = start, i

		// These operations walk over a value that does not change.
		case opBoolean:
			if i >= len(src) || src[i] > 1 {
				goto failed
			}
			i++
		case opInt:
			if uint(i) < uint(len(src)) && src[i] < 0x80 {
				i++
			} else if v, i = longAtSlow(src, i); i < 0 || int64(int32(v)) != v {
				goto failed
			}
		case opLong:
			for stop := pc + int(o.a); ; pc++ {
				if i = skipLong(src, i); i < 0 {
					goto failed
				}
				if pc == stop {
					break
				}
				at = i
			}
		case opFixed:
			if int(o.a) > len(src)-i {
				goto failed
			}
			i += int(o.a)
		case opBytes:
			for stop := pc + int(o.a); ; pc++ {
				if uint(i) < uint(len(src)) && src[i]&0x81 == 0 {
					v, i = int64(src[i]>>1), i+1
				} else if v, i = longAtSlow(src, i); i < 0 {
					goto failed
				}
				if uint64(v) > uint64(len(src)-i) {
					goto failed
				}
				i += int(v)
				if pc == stop {
					break
				}
				at = i
			}
		case opEnum:
			if v, i = longAt(src, i); i < 0 || uint64(v) >= uint64(o.a) {
				goto failed
			}
		case opOptional:
			if uint(i) < uint(len(src)) && src[i]&0xfd == 0 {
				v, i = int64(src[i]>>1), i+1
			} else if v, i = longAtSlow(src, i); i < 0 || uint64(v) > 1 {
				goto failed
			}
			if v == int64(o.a) { // null
				pc = int(o.b)
			}
		case opUnion:
			if v, i = longAt(src, i); i < 0 || uint64(v) >= uint64(o.b) {
				goto failed
			}
			pc = int(t.p.table[int(o.a)+int(v)])
		case opJump:
			pc = int(o.a)

		// These operations write other bytes than they read.
		case opCut:
			dst = append(dst, src[mark:i]...)
			mark = i
		case opDrop:
			mark = i
		case opEmit:
			if mark < i {
				dst = append(dst, src[mark:i]...)
				mark = i
			}
			if o.b == 1 {
				dst = append(dst, t.p.consts[o.a])
			} else {
				dst = append(dst, t.p.consts[o.a:o.a+o.b]...)
			}
			if t.budget -= int(o.c); t.budget < 0 {
				goto failed
			}
		case opUnionCut:
			dst = append(dst, src[mark:i]...)
			if v, i = longAt(src, i); i < 0 || uint64(v) >= uint64(o.b) {
				goto failed
			}
			mark = i
			pc = int(t.p.table[int(o.a)+int(v)])
		case opEnumMap:
			dst = append(dst, src[mark:i]...)
			if v, i = longAt(src, i); i < 0 || uint64(v) >= uint64(o.b) {
				goto failed
			}
			mark = i
			s := t.p.table[int(o.a)+int(v)]
			if s < 0 {
				goto failed
			}
			dst = appendLong(dst, int64(s))
		case opIntToFloat:
			dst = append(dst, src[mark:i]...)
			if v, i = longAt(src, i); i < 0 || int64(int32(v)) != v {
				goto failed
			}
			mark = i
			dst = appendFloat(dst, float32(v))
		case opIntToDouble:
			dst = append(dst, src[mark:i]...)
			if v, i = longAt(src, i); i < 0 || int64(int32(v)) != v {
				goto failed
			}
			mark = i
			dst = appendDouble(dst, float64(v))
		case opLongToFloat:
			dst = append(dst, src[mark:i]...)
			if v, i = longAt(src, i); i < 0 {
				goto failed
			}
			mark = i
			dst = appendFloat(dst, float32(v))
		case opLongToDouble:
			dst = append(dst, src[mark:i]...)
			if v, i = longAt(src, i); i < 0 {
				goto failed
			}
			mark = i
			dst = appendDouble(dst, float64(v))
		case opFloatToDouble:
			dst = append(dst, src[mark:i]...)
			if len(src)-i < 4 {
				goto failed
			}
			f := math.Float32frombits(binary.LittleEndian.Uint32(src[i:]))
			i += 4
			mark = i
			dst = appendDouble(dst, float64(f))

		// These operations give the program its structure.
		case opBlocks:
			t.dst, t.mark = append(dst, src[mark:i]...), i
			if i = t.blocks(pc-1, i); i < 0 {
				goto failed
			}
			dst, mark = t.dst, t.mark
			pc = int(o.a)
		case opSkipBlocks:
			if i = t.skipBlocks(pc-1, i); i < 0 {
				goto failed
			}
			pc = int(o.a)
		case opCall:
			t.dst, t.mark = dst, mark
			if i = t.exec(int(o.a), i, 1); i < 0 {
				goto failed
			}
			dst, mark = t.dst, t.mark
		case opCharge:
			if t.empty -= int(o.a); t.empty < 0 {
				goto failed
			}
		case opConvert:
			t.dst = append(dst, src[mark:i]...)
			if i = t.convert(&t.p.conversions[o.a], i); i < 0 {
				goto failed
			}
			dst, mark = t.dst, i
		case opSegment:
			t.starts.push(len(dst) + i - mark)
		case opSwap:
			t.starts.n -= 2
			first, second := t.starts.at(t.starts.n), t.starts.at(t.starts.n+1)
			if shift := len(dst) - mark; first >= len(dst) { // both segments are not copied yet
				first, second = first-shift, second-shift
				dst = append(dst, src[mark:first]...)
				dst = append(dst, src[second:i]...)
				dst = append(dst, src[first:second]...)
			} else {
				dst = append(dst, src[mark:i]...)
				end := len(dst)
				dst = append(dst, dst[first:second]...)
				copy(dst[first:], dst[second:])
				dst = dst[:end]
				if t.budget -= end - first; t.budget < 0 {
					goto failed
				}
			}
			mark = i
		case opPermute:
			t.dst, t.mark = dst, mark
			if !t.permute(i, t.p.table[o.a:o.a+o.b]) {
				goto failed
			}
			dst, mark = t.dst, i
		case opFail:
			goto failed
		}
	}
failed:
	if t.err == nil {
		t.explain(pc-1, at)
	} else {
		t.err.Path = join(t.p.paths[pc-1], t.err.Path)
	}
	t.allowance, t.iter = n, begin
	return -1
}

// blocks copies an array or map as one block with a positive count (section
// "Arrays" of the binary encoding). The body begins after op pc.
func (t *transcoder) blocks(pc, i int) int {
	o := t.p.ops[pc]
	src := t.src
	var (
		countAt  = len(t.dst)
		countLen int // length of the count written at countAt
		total    int
		blocks   int
	)
	for {
		at := i
		n, size, next := t.blockHead(i)
		if next < 0 {
			return -1
		}
		i = next
		if n == 0 {
			break
		}
		if !t.room(n, i, o) {
			return t.fail(at, "", t.countError(n, o))
		}
		switch blocks++; {
		case blocks > 1: // the elements join the first block
			t.dst = append(t.dst, src[t.mark:at]...)
			t.mark = i
		case size >= 0: // the count was negative
			t.dst = binary.AppendVarint(t.dst, int64(n))
			countLen = len(t.dst) - countAt
			t.mark = i
		default:
			countLen = i - at
		}
		first := i
		if i = t.elements(pc, i, n, total); i < 0 {
			return -1
		}
		total += n
		if size >= 0 && i-first != size {
			return t.fail(at, "", fmt.Errorf("%w: a block of %d bytes that says it has %d", ErrInvalid, i-first, size))
		}
	}
	if blocks > 1 {
		t.dst = append(t.dst, src[t.mark:i]...)
		t.mark = i
		var buf [binary.MaxVarintLen64]byte
		t.replace(countAt, countLen, binary.AppendVarint(buf[:0], int64(total)))
	}
	return i
}

// blockHead reads the head of a block. The result n is the number of elements,
// or 0 at the end. The result size is the block's size in bytes, or -1 if the
// head has no size.
func (t *transcoder) blockHead(i int) (n, size, next int) {
	v, next := longAt(t.src, i)
	if next < 0 {
		return 0, 0, t.fail(i, "", longError(t.src, i))
	}
	if v > math.MaxInt || v < -math.MaxInt {
		return 0, 0, t.fail(i, "", fmt.Errorf("%w: a block count of %d", ErrInvalid, v))
	}
	if v >= 0 {
		return int(v), -1, next
	}
	at := next
	s, next := longAt(t.src, next)
	switch {
	case next < 0:
		return 0, 0, t.fail(at, "", longError(t.src, at))
	case s < 0:
		return 0, 0, t.fail(at, "", fmt.Errorf("%w: a block size of %d", ErrInvalid, s))
	case s > int64(len(t.src)-next):
		return 0, 0, t.fail(at, "", ErrTruncated)
	}
	return int(-v), int(s), next
}

// room reports whether the rest of src can hold n elements.
func (t *transcoder) room(n, i int, o op) bool {
	if o.b&bodyEmpty != 0 { // elements take no bytes
		t.empty -= min(n, MaxEmpty+1)
		return t.empty >= 0
	}
	return n <= len(t.src)-i
}

func (t *transcoder) countError(n int, o op) error {
	if o.b&bodyEmpty != 0 {
		return fmt.Errorf("%w: %d elements that take no bytes, more than %d in one message", ErrInvalid, n, MaxEmpty)
	}
	return fmt.Errorf("%w: %d elements are said to come", ErrTruncated, n)
}

// checkEvery is the number of elements between two looks at the context.
const checkEvery = 256

// contextEnded reports whether the context has ended before the next n
// elements.
func (t *transcoder) contextEnded(i, n int) bool {
	if t.ctx == nil {
		return false
	}
	if t.since += n; t.since < checkEvery {
		return false
	}
	t.since = 0
	if t.ctx.Err() == nil {
		return false
	}
	t.fail(i, "", context.Cause(t.ctx))
	return true
}

// elements runs the body of op pc for n elements. The argument done is the
// number of earlier elements.
func (t *transcoder) elements(pc, i, n, done int) int {
	if t.ctx == nil {
		return t.run(pc, i, n, done)
	}
	for k := 0; n > 0; n, done = n-k, done+k {
		k = min(n, checkEvery)
		if t.contextEnded(i, k) {
			return -1
		}
		if i = t.run(pc, i, k, done); i < 0 {
			return -1
		}
	}
	return i
}

// run runs the body of op pc for n elements, without a look at the context.
func (t *transcoder) run(pc, i, n, done int) int {
	body := &t.p.ops[pc+1]
	if t.p.ops[pc+2].code == opEnd {
		switch body.code {
		case opFixed:
			if size := int(body.a); n <= (len(t.src)-i)/size {
				return i + n*size
			}
		case opLong:
			for k := range n {
				at := i
				if i = skipLong(t.src, i); i < 0 {
					return t.fail(at, "["+strconv.Itoa(done+k)+"]", longError(t.src, at))
				}
			}
			return i
		default:
		}
	}
	next := t.exec(pc+1, i, n)
	if next < 0 {
		t.err.Path = join(t.element(pc, done+n-t.allowance), t.err.Path)
	}
	return next
}

// element returns the path of an element. The path is the element's index, or
// the key of a map's entry.
func (t *transcoder) element(pc, index int) string {
	if t.p.ops[pc].b&bodyMap != 0 {
		if v, i := longAt(t.src, t.iter); i >= 0 && uint64(v) <= uint64(len(t.src)-i) {
			return "[" + quote(string(t.src[i:i+int(v)])) + "]"
		}
	}
	return "[" + strconv.Itoa(index) + "]"
}

// skipBlocks walks over an array or map that the reader does not want. It jumps
// over blocks with a size.
func (t *transcoder) skipBlocks(pc, i int) int {
	o := t.p.ops[pc]
	for total := 0; ; {
		at := i
		n, size, next := t.blockHead(i)
		if next < 0 {
			return -1
		}
		i = next
		switch {
		case n == 0:
			return i
		case size >= 0:
			i += size
		case !t.room(n, i, o):
			return t.fail(at, "", t.countError(n, o))
		default:
			if i = t.elements(pc, i, n, total); i < 0 {
				return -1
			}
		}
		total += n
	}
}

// replace replaces the n bytes at dst[at:] by b.
func (t *transcoder) replace(at, n int, b []byte) {
	if d := len(b) - n; d > 0 {
		end := len(t.dst)
		t.dst = append(t.dst, b[:d]...)
		copy(t.dst[at+len(b):], t.dst[at+n:end])
	} else if d < 0 {
		t.dst = append(t.dst[:at+len(b)], t.dst[at+n:]...)
	}
	copy(t.dst[at:], b)
}

// permute puts the last segments before src[i:] into the given order. The begin
// of each segment is on the stack t.starts. Permute returns false if the total
// amount of copying exceeds the budget.
func (t *transcoder) permute(i int, order []int32) bool {
	t.starts.n -= len(order)
	var (
		base = t.starts.n
		from = t.starts.at(base)
		done = len(t.dst)
		in   = t.dst
		back = 0 // offset from a recorded position to the position in the slice in
	)
	if from >= done { // nothing is copied yet, so copy from src
		in, back = t.src[:i], t.mark-done
		t.dst = append(t.dst, in[t.mark:from+back]...)
	} else {
		t.dst = append(t.dst, t.src[t.mark:i]...)
		in = t.dst
	}
	end := done + i - t.mark
	for _, s := range order {
		stop := end
		if int(s)+1 < len(order) {
			stop = t.starts.at(base + int(s) + 1)
		}
		t.dst = append(t.dst, in[t.starts.at(base+int(s))+back:stop+back]...)
	}
	if from < done {
		copy(t.dst[from:], t.dst[end:])
		t.dst = t.dst[:end]
	}
	t.budget -= end - from
	return t.budget >= 0
}

// stack is a stack of numbers. The first numbers need no allocation.
type stack struct {
	n    int
	few  [4]int
	more []int
}

func (s *stack) push(v int) {
	if s.n < len(s.few) {
		s.few[s.n] = v
	} else {
		s.more = append(s.more[:s.n-len(s.few)], v)
	}
	s.n++
}

func (s *stack) at(i int) int {
	if i < len(s.few) {
		return s.few[i]
	}
	return s.more[i-len(s.few)]
}
