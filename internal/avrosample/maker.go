package avrosample

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/avroline/avroline/internal/avsc"
)

type maker struct {
	*rand.Rand
	parts int
	err   error

	inside map[*avsc.Schema]int // by record, the values around the present one

	// used counts the choices at each schema. If used is not nil, choose takes
	// a choice with the lowest count.
	used  map[*avsc.Schema][]int
	fresh bool // a choice was made for the first time
}

// missing reports whether a branch or a symbol was never chosen.
func (m *maker) missing() bool {
	for _, counts := range m.used {
		if slices.Contains(counts, 0) {
			return true
		}
	}
	return false
}

// choose returns a number from 0 to n-1 for a choice at s.
func (m *maker) choose(s *avsc.Schema, n int) int {
	if m.used == nil {
		return m.IntN(n)
	}
	counts := m.used[s]
	if counts == nil {
		counts = make([]int, n)
		m.used[s] = counts
	}
	i := slices.Index(counts, slices.Min(counts))
	m.fresh = m.fresh || counts[i] == 0
	counts[i]++
	return i
}

// epoch is the earliest time of the events in the samples.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

func (m *maker) moment() time.Time {
	return epoch.Add(time.Duration(m.Int64N(int64(300 * 24 * time.Hour))))
}

func (m *maker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}

func version4(b []byte) {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
}

func (m *maker) uuid() string {
	b := m.bytes(16)
	version4(b)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
