package avrobin

import (
	"slices"
	"unsafe"

	"github.com/avroline/avroline/internal/plan"
)

// KeyBuffer is room for the keys of a small map.
type KeyBuffer [8]string

// SortedKeys returns the keys of m in order, so that equal maps give equal
// bytes. A buffer on the caller's stack, where it has room for them, saves an
// allocation; the keys returned are then part of it.
func SortedKeys[V any](m map[string]V, buf *KeyBuffer) []string {
	keys := buf[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Copy returns a copy of a message, of which decoded strings and bytes are parts.
func Copy(data []byte) []byte {
	// By way of a string, which is allocated at its size and not cleared. (One of
	// a single byte is not allocated but shared; no value in it has a byte that
	// could be written to.)
	s := string(data)
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// AppendBlock begins a block of n elements of an array or a map; where there
// are none it appends nothing. After the elements comes a zero byte.
func AppendBlock(dst []byte, n int) []byte {
	if n == 0 {
		return dst
	}
	return AppendLong(dst, int64(n))
}

// GrowMap returns m, or, where m is empty, a map with room for n more: for no more
// than a few hundred at once, because n is only what a block claims.
func GrowMap[V any](m map[string]V, n int) map[string]V {
	var v V
	if len(m) > 0 || n <= 8 || unsafe.Sizeof(v) > 1<<10 {
		return m
	}
	return make(map[string]V, min(n, 256))
}

// Block returns what *block points to, which is made where *block is nil. The
// optional fields of a record share a block, so that reading them takes one
// allocation.
func Block[T any](block **T) *T {
	if *block == nil {
		*block = new(T)
	}
	return *block
}

// GrowSlice lengthens s by room for the next of the n records that a block holds
// in layout l: for all of them, or, where a record takes much more memory than
// bytes in the message, for about as many as were read before.
func GrowSlice[T any](l Layout, s []T, n int) []T {
	const first = 16
	if n > first && plan.Layout(l).Wide() {
		n = min(n, max(first, len(s)))
	}
	return append(s, make([]T, n)...)
}

// EqualPointers compares what a and b point to; two nils are equal.
func EqualPointers[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// EqualPointersFunc is [EqualPointers] with a function that compares.
func EqualPointersFunc[T any](a, b *T, equal func(a, b T) bool) bool {
	return a == b || a != nil && b != nil && equal(*a, *b)
}

// ClonePointer returns a pointer to a copy of what p points to, nil for nil.
func ClonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// ConvertSlice applies f to each element of s; of nil it is nil.
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

// ConvertMap applies f to each value of m; of nil it is nil.
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
