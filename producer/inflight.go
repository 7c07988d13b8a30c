package producer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// limiter bounds the messages and bytes in flight. Where there is room it is two atomic additions; where there is none
// callers wait in line, and the line is kept: the first in line leaves it only after its message was handed to the client,
// and nobody overtakes the line, so that messages of one key reach the log in the order in which their callers came.
//
// A full buffer is let run down by an eighth before the line moves, since waking a goroutine for each message would cost
// more than the message.
type limiter struct {
	maxMessages, maxBytes int64
	lowMessages, lowBytes int64

	waiting  atomic.Int64 // callers in line
	draining atomic.Bool  // it was full, and has not run down yet

	_               padding
	messages, bytes atomic.Int64
	_               padding

	mu     sync.Mutex
	line   []*waiter
	moving bool  // the first in line has its slot and is producing
	closed error // why nobody gets in any more
}

type waiter struct {
	bytes int64
	ready chan error // capacity 1
}

func newLimiter(messages, bytes int64) *limiter {
	return &limiter{
		maxMessages: messages, maxBytes: bytes,
		lowMessages: messages - max(1, messages/8), lowBytes: bytes - max(1, bytes/8),
	}
}

// try takes a slot if there is one and nobody is in line.
func (l *limiter) try(bytes int64) bool {
	return l.waiting.Load() == 0 && l.take(bytes)
}

func (l *limiter) take(bytes int64) bool {
	m, b := l.messages.Add(1), l.bytes.Add(bytes)
	if m <= l.maxMessages && b <= l.maxBytes {
		return true
	}
	// The surplus of this moment may have kept a release from waking the line.
	l.release(1, bytes)
	return false
}

// acquire takes a slot, waiting for it in line. With inLine the caller must call leave when it has produced.
func (l *limiter) acquire(ctx context.Context, bytes int64, most time.Duration) (inLine bool, err error) {
	if l.try(bytes) {
		return false, nil
	}
	w := &waiter{bytes: bytes, ready: make(chan error, 1)}
	l.mu.Lock()
	if err := l.closed; err != nil {
		l.mu.Unlock()
		return false, err
	}
	l.line = append(l.line, w)
	l.waiting.Add(1)
	l.moveLocked()
	l.mu.Unlock()

	var expired <-chan time.Time
	if most > 0 {
		t := time.NewTimer(most)
		defer t.Stop()
		expired = t.C
	}
	select {
	case err = <-w.ready:
		return err == nil, err
	case <-ctx.Done():
		err = ended(ctx)
	case <-expired:
		err = fmt.Errorf("the buffer (WithMaxInFlight) stayed full for %v (WithMaxBlock): %w", most, ErrWouldBlock)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case closed := <-w.ready: // granted, or closed, in the same moment
		if closed != nil {
			return false, err
		}
		l.messages.Add(-1)
		l.bytes.Add(-bytes)
		l.leaveLocked()
	default:
		l.remove(w)
		l.moveLocked() // a smaller one behind may fit
	}
	return false, err
}

// leave lets the next in line go.
func (l *limiter) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaveLocked()
}

func (l *limiter) leaveLocked() {
	l.moving = false
	l.line[0] = nil
	l.line = l.line[1:]
	l.waiting.Add(-1)
	l.moveLocked()
}

func (l *limiter) remove(w *waiter) {
	for i, other := range l.line {
		if other == w {
			l.line = append(l.line[:i], l.line[i+1:]...)
			l.waiting.Add(-1)
			return
		}
	}
}

// moveLocked grants the first in line its slot if there is room.
func (l *limiter) moveLocked() {
	if l.moving || len(l.line) == 0 {
		return
	}
	w := l.line[0]
	messages, bytes := l.messages.Load(), l.bytes.Load()
	if l.draining.Load() && (messages > l.lowMessages || bytes > l.lowBytes) {
		return
	}
	if messages+1 > l.maxMessages || bytes+w.bytes > l.maxBytes {
		l.draining.Store(true)
		// What was released between the loads and the store saw no draining and called move, which waits for mu; or it saw it
		// and the buffer is not low yet.
		if l.messages.Load() > l.lowMessages || l.bytes.Load() > l.lowBytes || l.bytes.Load()+w.bytes > l.maxBytes {
			return
		}
	}
	l.draining.Store(false)
	messages, bytes = l.messages.Add(1), l.bytes.Add(w.bytes)
	if messages > l.maxMessages || bytes > l.maxBytes {
		// A caller that saw no line yet took the room: its release moves the line.
		l.messages.Add(-1)
		l.bytes.Add(-w.bytes)
		return
	}
	l.moving = true
	w.ready <- nil
}

// release gives slots back.
func (l *limiter) release(messages, bytes int64) {
	m, b := l.messages.Add(-messages), l.bytes.Add(-bytes)
	if l.waiting.Load() > 0 && (!l.draining.Load() || m <= l.lowMessages && b <= l.lowBytes) {
		l.move()
	}
}

func (l *limiter) move() {
	l.mu.Lock()
	l.moveLocked()
	l.mu.Unlock()
}

// close sends everyone in line away with err, and whoever has to wait later.
func (l *limiter) close(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = err
	}
	l.dismissLocked(err)
}

// dismiss sends everyone in line away with err.
func (l *limiter) dismiss(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dismissLocked(err)
}

func (l *limiter) dismissLocked(err error) {
	rest := l.line[:0]
	for i, w := range l.line {
		if i == 0 && l.moving {
			rest = append(rest, w)
			continue
		}
		w.ready <- err
		l.waiting.Add(-1)
	}
	l.line = rest
}
