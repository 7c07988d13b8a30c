package producer

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Partitioner chooses among n partitions, 0 to n-1. It runs in Go on the publishing goroutine, so every partition is
// explicit. A nil key is a message without one. It must be safe for concurrent use; a panic or a number out of range makes
// the message [ErrNotSent].
//
// n is the count that the brokers told at the last look-up. When partitions are added, it grows within
// [WithMetadataMaxAge]; partitioners that hash the key then send many keys elsewhere than before, as Java's clients do, and
// the order of such a key holds only within each of its partitions. It never shrinks.
type Partitioner func(key []byte, n int32) int32

// Murmur2 is the default, and Java's: the key's murmur2 hash, so that a key meets the same partition whichever language
// sent it; messages without a key stick to one partition and move on. librdkafka's name is murmur2_random (its own default,
// consistent_random, is CRC32, and sends keys elsewhere).
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

// RoundRobin deals messages out in turn, whatever their key. Batches are smaller than with [Sticky].
func RoundRobin() Partitioner {
	var next atomic.Uint32
	return func(_ []byte, n int32) int32 {
		return int32((next.Add(1) - 1) % uint32(n))
	}
}

const (
	stickyRun  = 32
	stickyTime = 10 * time.Millisecond
)

// Sticky stays with one partition for 32 messages, or for 10 ms where more come in that time, and then takes another at
// random: batches fill, and all partitions get the same in the long run, as in KIP-480. Keys are not looked at.
func Sticky() Partitioner {
	var (
		state atomic.Uint64 // messages sent to it << 32 | partition + 1
		since atomic.Int64  // when it was chosen
	)
	return func(_ []byte, n int32) int32 {
		for {
			old := state.Load()
			sent, at := uint32(old>>32), int32(uint32(old))-1
			switch {
			case n <= 1:
				return 0
			case at < 0 || at >= n:
				sent, at = 0, rand.Int32N(n)
			case sent%stickyRun == 0 && time.Since(epoch)-time.Duration(since.Load()) >= stickyTime: // another one
				if next := rand.Int32N(n - 1); next < at {
					at = next
				} else {
					at = next + 1
				}
				sent = 0
			}
			if state.CompareAndSwap(old, uint64(sent+1)<<32|uint64(uint32(at+1))) {
				if sent == 0 {
					since.Store(int64(time.Since(epoch)))
				}
				return at
			}
		}
	}
}

// murmur2 is the 32-bit MurmurHash2 with the seed of Kafka's Java client (Utils.murmur2).
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
