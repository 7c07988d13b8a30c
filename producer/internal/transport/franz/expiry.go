package franz

import (
	"context"
	"sync"
	"time"

	"github.com/avroline/avroline/producer/internal/transport"
)

// expiry makes messages expire after the delivery timeout. kgo's own setting,
// RecordDeliveryTimeout, counts from the timestamp of the record, which may be
// any time.
type expiry struct {
	after time.Duration // 0: never

	mu      sync.Mutex
	present *expirySlot
	end     time.Time // of the present slot
}

// expirySlots divides the timeout. The messages of a slot expire together, when
// the youngest one is old enough.
const expirySlots = 20

// slot returns the slot of a message that comes now, or nil.
func (e *expiry) slot() *expirySlot {
	if e.after == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); now.After(e.end) {
		length := e.after / expirySlots
		s := &expirySlot{over: make(chan struct{})}
		e.present, e.end = s, now.Add(length)
		time.AfterFunc(e.after+length, func() { close(s.over) })
	}
	return e.present
}

// expirySlot is the context of the messages that expire together. kgo gives up
// a message whose context has ended, if the message is certainly not in the
// log.
type expirySlot struct{ over chan struct{} }

var _ context.Context = (*expirySlot)(nil)

func (*expirySlot) Deadline() (time.Time, bool) { return time.Time{}, false }
func (s *expirySlot) Done() <-chan struct{}     { return s.over }
func (*expirySlot) Value(any) any               { return nil }

func (s *expirySlot) Err() error {
	select {
	case <-s.over:
		return errExpired
	default:
		return nil
	}
}

// errExpired is the error of expired messages. If the first message of a
// partition expires, kgo also gives up the messages behind it.
var errExpired = &transport.Error{
	Code: transport.TimedOut, Err: context.DeadlineExceeded,
	Text: "the message, or an earlier message of its partition, waited longer than delivery.timeout.ms",
}
