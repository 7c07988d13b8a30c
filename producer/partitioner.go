package producer

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Partitioner returns a partition from 0 to n-1. A partitioner runs on the
// publishing goroutine and must be safe for concurrent use. A nil key means
// that the message has no key. If the partitioner panics or returns a number
// out of range, the message is [ErrNotSent].
//
// n is the number of partitions at the last look-up. n never shrinks. After
// partitions are added, n grows within [WithMetadataMaxAge]. Then a partitioner
// that hashes the key chooses other partitions for many keys, as Java's clients
// do. The order of such a key holds only within each of its partitions.
type Partitioner func(key []byte, n int32) int32

// Murmur2 is the default, and the default of Java clients. Murmur2 hashes the
// key with murmur2, so clients in any language choose the same partition for a
// key. A message without a key goes to the partition of [Sticky]. librdkafka's
// name is murmur2_random. librdkafka's own default is consistent_random, which
// uses CRC32 and chooses other partitions.
func Murmur2() Partitioner {
	sticky := Sticky()
	return func(key []byte, n int32) int32 {
		if key == nil {
			return sticky(nil, n)
		}
		// Java: toPositive(murmur2(key)) % n.
		return int32(murmur2(key)&0x7fffffff) % n
	}
}

// RoundRobin uses the partitions in turn and ignores the key. Batches are
// smaller than with [Sticky].
func RoundRobin() Partitioner {
	var next atomic.Uint32
	return func(_ []byte, n int32) int32 {
		return int32((next.Add(1) - 1) % uint32(n))
	}
}

// stickyTime is librdkafka's default of sticky.partitioning.linger.ms.
const stickyTime = 10 * time.Millisecond

// Sticky chooses a random partition and keeps the partition for 10 ms. The next
// message after this time goes to another random partition. So batches become
// full, a short transaction writes to one partition, and in the long run all
// partitions get the same share (KIP-480). Sticky ignores the key.
func Sticky() Partitioner {
	s := new(sticky)
	s.over = time.AfterFunc(stickyTime, s.end)
	return s.choose
}

// sticky is the state of [Sticky]. A timer ends each choice, because the clock
// would take longer than the rest of a call.
type sticky struct {
	choice atomic.Int32 // partition + 1; negative: the time is over; 0: none yet
	over   *time.Timer
}

func (s *sticky) end() {
	if now := s.choice.Load(); now > 0 {
		s.choice.CompareAndSwap(now, -now) // unless a call has just chosen
	}
}

func (s *sticky) choose(_ []byte, n int32) int32 {
	if n <= 1 {
		return 0
	}
	for {
		old := s.choice.Load()
		if 0 < old && old <= n {
			return old - 1
		}
		next := rand.Int32N(n)
		if next == -old-1 { // the partition before
			next = (next + 1 + rand.Int32N(n-1)) % n
		}
		if s.choice.CompareAndSwap(old, next+1) {
			s.over.Reset(stickyTime)
			return next
		}
	}
}

// murmur2 is the 32-bit MurmurHash2 with the seed of Kafka's Java client.
// Java's function is Utils.murmur2.
func murmur2(data []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(data))
	for len(data) >= 4 {
		k := binary.LittleEndian.Uint32(data)
		k *= m
		k ^= k >> r
		k *= m
		h = h*m ^ k
		data = data[4:]
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(data[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
