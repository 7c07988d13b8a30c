package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// limiter bounds the messages and bytes in flight. If there is room, taking a
// slot costs two atomic additions. If there is no room, callers wait in line.
// Nobody overtakes the line, and the first caller leaves the line only after
// the client has its message. So messages of one key reach the log in the order
// of their callers.
//
// A full buffer must drain by an eighth before the line moves, because waking a
// goroutine for each message would cost more than the message.
type limiter struct {
	maxMessages, maxBytes int64
	lowMessages, lowBytes int64

	waiting  atomic.Int64 // callers in line
	draining atomic.Bool  // the buffer was full and is not low yet

	_               padding
	messages, bytes atomic.Int64
	_               padding

	mu     sync.Mutex
	line   []*waiter
	moving bool  // the first in line has a slot and produces
	closed error // why acquire fails from now on
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

// try takes a slot if there is room and nobody waits in line.
func (l *limiter) try(bytes int64) bool {
	return l.waiting.Load() == 0 && l.take(bytes)
}

func (l *limiter) take(bytes int64) bool {
	m, b := l.messages.Add(1), l.bytes.Add(bytes)
	if m <= l.maxMessages && b <= l.maxBytes {
		return true
	}
	// Our temporary over-count may have hidden free space from a concurrent
	// release, so wake the waiters again.
	l.release(1, bytes)
	return false
}

// acquire waits in line for a slot. If inLine is true, the caller must call
// leave after producing.
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
		err = ContextError(ctx)
	case <-expired:
		err = fmt.Errorf("the buffer (WithMaxInFlight) stayed full for %v (WithMaxBlock): %w", most, ErrWouldBlock)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case closed := <-w.ready: // granted or closed at the same moment
		if closed != nil {
			return false, err
		}
		l.messages.Add(-1)
		l.bytes.Add(-bytes)
		l.leaveLocked()
	default:
		l.remove(w)
		l.moveLocked() // a smaller message behind may fit
	}
	return false, err
}

// leave removes the first caller from the line and lets the next caller go.
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

// moveLocked gives the first caller in line a slot if there is room.
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
		// A concurrent release before the store saw draining unset. Such a
		// release calls move, which waits for mu. A later release sees draining
		// set, and calls move only if the buffer is low. So check again here.
		if l.messages.Load() > l.lowMessages || l.bytes.Load() > l.lowBytes || l.bytes.Load()+w.bytes > l.maxBytes {
			return
		}
	}
	l.draining.Store(false)
	messages, bytes = l.messages.Add(1), l.bytes.Add(w.bytes)
	if messages > l.maxMessages || bytes > l.maxBytes {
		// A caller that saw no line took the room. When that caller releases
		// the slot, the line moves.
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

// close makes all callers in line and all later callers fail with err.
func (l *limiter) close(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = err
	}
	l.dismissLocked(err)
}

// dismiss makes all callers in line fail with err.
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
