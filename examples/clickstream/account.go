package main

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"time"

	"github.com/google/uuid"
)

// state is the state of one line.
type state uint8

const (
	waiting   state = iota // sent, no outcome yet
	rejected               // not an event, or refused before the queue
	delivered              // acknowledged
	notSent                // in no log
	unknown                // may be in the log
	skipped                // a header line
)

// account records the outcome of every line of a run. At the end, the run
// compares the topic with the account. An account is safe for concurrent use.
type account struct {
	mu      sync.Mutex
	files   map[string]int // index of each file's first entry
	entries []entry
	count   [skipped + 1]int64
}

type entry struct {
	id    uint64 // the random half of the event id
	state state
	seen  uint8
}

func newAccount() *account { return &account{files: map[string]int{}} }

// open begins a new line and returns its number in the run. The lines of a file
// must be opened in order, without gaps.
func (a *account) open(file string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.files[file]; !ok {
		a.files[file] = len(a.entries)
	}
	a.entries = append(a.entries, entry{})
	a.count[waiting]++
	return len(a.entries) - 1
}

func (a *account) name(seq int, id uuid.UUID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries[seq].id = halfID(id)
}

func (a *account) setState(seq int, s state) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count[a.entries[seq].state]--
	a.entries[seq].state = s
	a.count[s]++
}

func (a *account) stateOf(seq int) state {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.entries[seq].state
}

// setWaiting gives the same outcome to every line that still waits. The mode
// forget needs setWaiting, because it knows only the number of failures.
func (a *account) setWaiting(s state) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.entries {
		if a.entries[i].state == waiting {
			a.entries[i].state = s
		}
	}
	a.count[s] += a.count[waiting]
	a.count[waiting] = 0
}

func (a *account) sum(s state) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count[s]
}

func (a *account) lines() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(len(a.entries)) - a.count[skipped]
}

// noteReadBack records an event that was read back, and returns the number of
// its line. The second result is false if the event belongs to another run.
func (a *account) noteReadBack(file string, no int64, id uuid.UUID) (int, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	base, ok := a.files[file]
	if !ok || no < 1 || no > int64(len(a.entries)-base) {
		return 0, false
	}
	seq := base + int(no) - 1
	e := &a.entries[seq]
	if e.id != halfID(id) {
		return 0, false
	}
	if e.seen < 255 {
		e.seen++
	}
	return seq, true
}

// balance compares the topic with the account.
type balance struct {
	ReadBack, Lost, Twice int64
	// Contradicted counts events in the log that were reported as not sent.
	// UnknownInLog counts events of unknown outcome in the log.
	Contradicted, UnknownInLog int64
}

func (a *account) balance() balance {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b balance
	for _, e := range a.entries {
		b.ReadBack += int64(e.seen)
		if e.seen > 1 {
			b.Twice++
		}
		switch {
		case e.seen == 0 && e.state == delivered:
			b.Lost++
		case e.seen > 0 && (e.state == notSent || e.state == rejected):
			b.Contradicted++
		case e.seen > 0 && e.state == unknown:
			b.UnknownInLog++
		}
	}
	return b
}

func halfID(id uuid.UUID) uint64 { return binary.BigEndian.Uint64(id[8:]) }

// latencies is a histogram. Each power of two has eight buckets. A latencies is
// safe for concurrent use.
type latencies struct {
	mu     sync.Mutex
	bucket [64 * 8]int64
	n      int64
}

func (l *latencies) add(d time.Duration) {
	us := uint64(max(d.Microseconds(), 1))
	top := bits.Len64(us) - 1
	frac := int(us << (64 - top) >> 61) // the three bits after the highest bit
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bucket[top*8+frac]++
	l.n++
}

// quantile returns the upper edge of the quantile's bucket, or 0 without data.
func (l *latencies) quantile(q float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := int64(q * float64(l.n))
	for i, n := range l.bucket {
		if rest -= n; rest < 0 {
			edge := float64(uint64(1)<<(i/8)) * (1 + float64(i%8+1)/8)
			return time.Duration(edge * float64(time.Microsecond))
		}
	}
	return 0
}
