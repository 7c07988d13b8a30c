package transporttest

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// testClose checks that every message gets an outcome from Purge or Close.
func testClose(t *testing.T, lib Library) {
	t.Run("what was never written is not persisted", func(t *testing.T) {
		t.Parallel()
		b := embedded(t, producertest.WithTopic("topic", 3))
		s := open(t, lib, config(t, b.addrs, ""))
		h := s.topic(t, "topic")
		s.send(t, h, 3, 30)
		s.all(t, 30)
		restart := b.inside.Stop()
		s.send(t, h, 3, 1000)
		s.client.Purge()
		s.all(t, 1030)
		s.close()
		restart()
		s.compareWithLog(t, b.read(t, "topic"))
		if _, not, maybe := s.count(); not == 0 && !lib.NoFailureDetails {
			t.Errorf("not persisted %d, possibly %d: what never left the client is known not to be in the log", not, maybe)
		}
	})
	t.Run("what waits for its answer is possibly persisted", func(t *testing.T) {
		t.Parallel()
		b := embedded(t, producertest.WithTopic("topic", 1))
		s := open(t, lib, config(t, b.addrs, ""))
		h := s.topic(t, "topic")
		s.send(t, h, 1, 10)
		s.all(t, 10)
		applied := make(chan struct{}, 100)
		b.inside.Cluster().ControlKey(0, func(kmsg.Request) (kmsg.Response, error, bool) {
			b.inside.Cluster().KeepControl()
			applied <- struct{}{}
			return nil, nil, false
		})
		f := b.inside.DelayAnswers(wait)
		s.send(t, h, 1, 1)
		<-applied
		s.client.Purge()
		s.all(t, 11)
		if o := s.outcomes[11]; o.Persistence != transport.PossiblyPersisted || code(o.Err) != transport.Purged {
			t.Errorf("persistence %d, error %v, want possibly persisted and purged", o.Persistence, o.Err)
		}
		f.Stop()
		s.close()
		s.compareWithLog(t, b.read(t, "topic"))
	})
	t.Run("nothing is taken after Purge and Close", func(t *testing.T) {
		t.Parallel()
		b := embedded(t, producertest.WithTopic("topic", 1))
		s := open(t, lib, config(t, b.addrs, ""))
		h := s.topic(t, "topic")
		s.send(t, h, 1, 10)
		s.all(t, 10)
		s.client.Purge()
		if err := h.Produce(0, &transport.Message{}, 100); err == nil {
			t.Error("a message was taken after Purge")
		}
		s.close()
		if err := h.Produce(0, &transport.Message{}, 101); err == nil {
			t.Error("a message was taken after Close")
		}
		time.Sleep(100 * time.Millisecond)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.late > 0 || len(s.outcomes) != 10 {
			t.Errorf("%d outcomes, %d of them after Close", len(s.outcomes), s.late)
		}
	})
	t.Run("Close while publishers publish", func(t *testing.T) {
		t.Parallel()
		b := embedded(t, producertest.WithTopic("topic", 3))
		s := open(t, lib, config(t, b.addrs, ""))
		h := s.topic(t, "topic")
		const publishers = 4
		taken := make(chan int, publishers)
		for i := range publishers {
			go func() {
				n := 0
				defer func() { taken <- n }()
				for token := transport.Token(i); ; token += publishers {
					if h.Produce(int32(i)%3, &transport.Message{Value: value(token)}, token) != nil {
						return
					}
					n++
					if n > 20_000 { // the engine limits the messages in flight
						time.Sleep(time.Millisecond)
					}
				}
			}()
		}
		s.until(t, "some outcomes", func() bool { return len(s.outcomes) > 1000 })
		s.close()
		total := 0
		for range publishers {
			total += <-taken
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.outcomes) != total || len(s.twice) > 0 || s.late > 0 {
			t.Errorf("%d outcomes of %d messages, %d twice, %d late", len(s.outcomes), total, len(s.twice), s.late)
		}
	})
}
