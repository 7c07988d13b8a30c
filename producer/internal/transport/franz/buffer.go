package franz

import (
	"math/bits"
	"sync"
)

// buffer is memory for a batch. A pool reuses the memory.
type buffer struct {
	data []byte
	size uint8 // the capacity is 1<<size
}

// The pool keeps buffers from leastBuffer to mostBuffer bytes.
const (
	leastBuffer = 9  // 512 bytes
	mostBuffer  = 21 // 2 MiB
)

// bufferPool hands out buffers whose capacity is a power of two.
type bufferPool struct {
	sizes [mostBuffer + 1]sync.Pool
}

// sizeOf returns the size of the smallest buffer with room for n bytes.
func sizeOf(n int) uint8 {
	return uint8(max(bits.Len(uint(max(n, 1)-1)), leastBuffer))
}

// get returns an empty buffer of a size.
func (p *bufferPool) get(size uint8) *buffer {
	if size <= mostBuffer {
		if b, ok := p.sizes[size].Get().(*buffer); ok {
			return b
		}
	}
	return &buffer{data: make([]byte, 0, 1<<size), size: size}
}

// put takes a buffer back. nil is allowed.
func (p *bufferPool) put(b *buffer) {
	if b != nil && b.size <= mostBuffer {
		b.data = b.data[:0]
		p.sizes[b.size].Put(b)
	}
}

// grow makes room for n more bytes in a buffer. The returned buffer replaces
// the buffer.
func (p *bufferPool) grow(b *buffer, n int) *buffer {
	if cap(b.data)-len(b.data) >= n {
		return b
	}
	larger := p.get(sizeOf(len(b.data) + n))
	larger.data = append(larger.data, b.data...)
	p.put(b)
	return larger
}
