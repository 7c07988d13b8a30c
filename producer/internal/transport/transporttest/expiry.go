package transporttest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// testExpiry checks the delivery timeout. It counts from Produce, and not from
// the message's timestamp. The messages of a partition do not expire one after
// the other.
func testExpiry(t *testing.T, lib Library) {
	const n = 5000 // one after the other, they would take longer than wait
	expiring := set(func(c *settings.Config) { c.DeliveryTimeout = time.Second })
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for name, begin := range map[string]func(b *producertest.Broker) (end func()){
		"the broker refuses": func(b *producertest.Broker) func() {
			return b.Refuse(kerr.NotEnoughReplicas.Code, 1, 1, producertest.Produce).Stop
		},
		"no broker answers": (*producertest.Broker).Stop,
	} {
		for _, opened := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after a delivery %t", name, opened), func(t *testing.T) {
				t.Parallel()
				b := embedded(t)
				topic := b.create(t, "expiry", 2, nil)
				s := open(t, lib, config(t, b.addrs, "", expiring))
				h := s.topic(t, topic)
				sent := 0
				if opened {
					s.send(t, h, 2, 2)
					sent = 2
					s.all(t, sent)
				}
				end := sync.OnceFunc(begin(b.inside))
				s.send(t, h, 2, n)
				sent += n
				if lib.NothingUncertainExpires {
					time.AfterFunc(3*time.Second, end)
				}
				// until would wait for one message after the other.
				for ctx := deadline(t); ; time.Sleep(10 * time.Millisecond) {
					s.mu.Lock()
					got := len(s.outcomes) + len(s.kept)
					s.mu.Unlock()
					if got == sent {
						break
					}
					if ctx.Err() != nil {
						t.Fatalf("%d of %d messages have an outcome", got, sent)
					}
				}
				end()
				s.mu.Lock()
				for token, o := range s.outcomes {
					if o.Err != nil && code(o.Err) != transport.TimedOut {
						t.Errorf("message %d: %v", token, o.Err)
					}
				}
				s.mu.Unlock()
				s.compareWithLog(t, b.read(t, topic))
			})
		}
	}
	t.Run("an old timestamp does not count", func(t *testing.T) {
		t.Parallel()
		b := embedded(t)
		topic := b.create(t, "expiry", 1, nil)
		s := open(t, lib, config(t, b.addrs, "", expiring))
		h := s.topic(t, topic)
		f := b.inside.RefuseNext(3, kerr.NotLeaderForPartition.Code, producertest.Produce)
		defer f.Stop()
		for token := range transport.Token(100) {
			if err := h.Produce(0, &transport.Message{Value: value(token + 1), Timestamp: old, HasTimestamp: true}, token+1); err != nil {
				t.Fatal(err)
			}
		}
		s.all(t, 100)
		s.allPersisted(t, 100)
		s.compareWithLog(t, b.read(t, topic))
	})
	// The client gives up messages that it has never written. A later message
	// must not take their place in the client's records of written messages.
	t.Run("messages come while others expire", func(t *testing.T) {
		t.Parallel()
		b := embedded(t)
		topic := b.create(t, "expiry", 1, nil)
		s := open(t, lib, config(t, b.addrs, "", expiring))
		h := s.topic(t, topic)
		s.send(t, h, 1, 1)
		s.all(t, 1)
		refuse := b.inside.Refuse(kerr.NotEnoughReplicas.Code, 1, 1, producertest.Produce)
		expired := func() bool { // and send goes on
			s.mu.Lock()
			defer s.mu.Unlock()
			s.held = false
			for _, o := range s.outcomes {
				if o.Persistence == transport.NotPersisted {
					return true
				}
			}
			return false
		}
		for !expired() {
			s.send(t, h, 1, 10)
			time.Sleep(10 * time.Microsecond)
		}
		refuse.Stop()
		lost := b.inside.LoseAnswers(1, 0)
		for lost.Hits() < 3 {
			expired()
			s.send(t, h, 1, 10)
			time.Sleep(10 * time.Microsecond)
		}
		s.client.Close()
		s.compareWithLog(t, b.read(t, topic))
	})
	// The first attempt is in the log, and its answer is lost. The answers to
	// later attempts must not hide this from the client.
	t.Run("the leader moves after a lost answer", func(t *testing.T) {
		t.Parallel()
		b := embedded(t)
		topic := b.create(t, "expiry", 1, nil)
		s := open(t, lib, config(t, b.addrs, "", expiring))
		h := s.topic(t, topic)
		s.send(t, h, 1, 1)
		s.all(t, 1)
		lost := b.inside.LoseAnswers(1, 0)
		s.send(t, h, 1, 1)
		for ctx := deadline(t); lost.Hits() == 0 && ctx.Err() == nil; {
			time.Sleep(time.Millisecond)
		}
		moved := b.inside.Refuse(kerr.NotLeaderForPartition.Code, 1, 1, producertest.Produce)
		lost.Stop()
		time.AfterFunc(3*time.Second, moved.Stop)
		s.send(t, h, 1, 10) // behind the message in doubt
		s.all(t, 12)
		s.compareWithLog(t, b.read(t, topic))
	})
}
