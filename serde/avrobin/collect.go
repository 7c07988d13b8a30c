package avrobin

import (
	"slices"
	"unsafe"

	"github.com/avroline/avroline/internal/plan"
)

// KeyBuffer holds the keys of a small map.
type KeyBuffer [8]string

// SortedKeys returns the sorted keys of m, so that equal maps give equal bytes.
// If buf is on the caller's stack and large enough, SortedKeys does not
// allocate. Then the returned keys are a part of buf.
func SortedKeys[V any](m map[string]V, buf *KeyBuffer) []string {
	keys := buf[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Copy returns a copy of a message. Decoded strings and bytes are parts of the
// copy.
func Copy(data []byte) []byte {
	// Copy through a string, because Go allocates a string at its exact size
	// and does not clear the memory. A string of a single byte is shared
	// memory. No value in such a message has a byte that could be written.
	s := string(data)
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// AppendBlock begins a block of n elements of an array or a map. If n is 0,
// AppendBlock appends nothing. The caller appends a zero byte after the
// elements.
func AppendBlock(dst []byte, n int) []byte {
	if n == 0 {
		return dst
	}
	return AppendLong(dst, int64(n))
}

// GrowMap returns a map with room for n elements if m is empty. The room is for
// at most a few hundred elements, because n is only the claim of a block. If m
// has elements, n is small, or a value is very large, GrowMap returns m.
func GrowMap[V any](m map[string]V, n int) map[string]V {
	var v V
	if len(m) > 0 || n <= 8 || unsafe.Sizeof(v) > 1<<10 {
		return m
	}
	return make(map[string]V, min(n, 256))
}

// Block returns *block. If *block is nil, Block allocates the value first. The
// optional fields of a record share a block, so reading the fields takes a
// single allocation.
func Block[T any](block **T) *T {
	if *block == nil {
		*block = new(T)
	}
	return *block
}

// GrowSlice lengthens s by room for records of a block. n is the number of
// records in the block, and l is their layout. Usually there is room for all n
// records. If a record takes much more memory than bytes in the message, the
// room is for about as many records as were read before.
func GrowSlice[T any](l Layout, s []T, n int) []T {
	const first = 16
	if n > first && plan.Layout(l).Wide() {
		n = min(n, max(first, len(s)))
	}
	return append(s, make([]T, n)...)
}

// EqualPointers compares the values of a and b. Two nil pointers are equal.
func EqualPointers[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// EqualPointersFunc is [EqualPointers] with a comparing function.
func EqualPointersFunc[T any](a, b *T, equal func(a, b T) bool) bool {
	return a == b || a != nil && b != nil && equal(*a, *b)
}

// ClonePointer returns a pointer to a copy of *p. For nil it returns nil.
func ClonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// ConvertSlice applies f to each element of s. For nil it returns nil.
func ConvertSlice[A, B any](s []A, f func(A) B) []B {
	if s == nil {
		return nil
	}
	out := make([]B, len(s))
	for i, x := range s {
		out[i] = f(x)
	}
	return out
}

// ConvertMap applies f to each value of m. For nil it returns nil.
func ConvertMap[A, B any](m map[string]A, f func(A) B) map[string]B {
	if m == nil {
		return nil
	}
	out := make(map[string]B, len(m))
	for k, x := range m {
		out[k] = f(x)
	}
	return out
}

// ConvertPointer applies f to the target of p. For nil it returns nil.
func ConvertPointer[A, B any](p *A, f func(A) B) *B {
	if p == nil {
		return nil
	}
	out := f(*p)
	return &out
}
