package franz

import (
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestExpire lets the messages of a partition become too old, while the first
// batch is in each state. Only a message that is certainly in no log expires.
func TestExpire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state   func(f *flight)
		expired int // of three messages
	}{
		"waits for a connection": {func(*flight) {}, 3},
		"on its way":             {func(f *flight) { f.r.begin() }, 1},
		"never written":          {func(f *flight) { f.lose(false) }, 3},
		"in doubt":               {func(f *flight) { f.lose(true) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlight(t, &settings.Config{DeliveryTimeout: time.Minute})
			c.state(f)
			f.p.mu.Lock()
			f.p.expire()
			f.p.mu.Unlock()
			f.c.outbox.wait()
			if n := len(f.h.outcomes); n > 0 {
				t.Errorf("%d young messages expired", n)
			}
			f.p.mu.Lock()
			for b := f.p.front; b != nil; b = b.next {
				b.came = time.Now().Add(-2 * time.Minute)
			}
			f.p.expire()
			f.p.mu.Unlock()
			f.c.outbox.wait()
			for _, o := range f.h.outcomes {
				if o.Persistence != transport.NotPersisted || convert(o.Err).Code != transport.TimedOut {
					t.Errorf("%+v", o)
				}
			}
			if n := len(f.h.outcomes); n != c.expired {
				t.Errorf("%d messages expired, want %d", n, c.expired)
			}
			f.c.Purge()
			f.c.outbox.wait()
			if n := len(f.h.outcomes); n != 3 {
				t.Errorf("%d outcomes of 3 messages", n)
			}
		})
	}
}

// TestExpireTogether checks that a message does not join the batch of much
// older ones.
func TestExpireTogether(t *testing.T) {
	t.Parallel()
	c := testClient(&settings.Config{DeliveryTimeout: time.Minute}, nil)
	p := queuedPartition(t, c, "events", 1, 0, nil)
	if err := p.topic.Produce(0, &transport.Message{}, 1); err != nil || p.front.count != 2 {
		t.Errorf("a batch of %d messages, %v", p.front.count, err)
	}
	p.front.came = time.Now().Add(-time.Minute / expiryParts)
	if err := p.topic.Produce(0, &transport.Message{}, 2); err != nil || p.front.count != 2 || p.back == p.front {
		t.Errorf("a batch of %d messages, %v", p.front.count, err)
	}
}
