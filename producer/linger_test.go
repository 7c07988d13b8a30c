package producer_test

import (
	"testing"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestLingerEnds checks that messages do not wait for linger.ms while somebody
// waits for them: in Flush, in Close, and for room in the buffer.
func TestLingerEnds(t *testing.T) {
	t.Parallel()
	for name, transport := range transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, producertest.WithTopic("events", 3))
			const room = 100
			opts := append(transport, producer.WithLinger(15*time.Minute), producer.WithMaxInFlight(room, 1<<20))
			events := producer.NewTopic("events", producer.KeyBy(byKey))
			ctx := waitCtx(t) // ends before the linger
			p := newProducer(t, b.Addrs(), opts...)
			publish := func(n int) {
				t.Helper()
				for i := range n {
					if err := events.PublishAsync(ctx, p, &event{Key: string(rune('a' + i%26)), Seq: int64(i)}, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			delivered := func(what string, n int64) {
				t.Helper()
				if s := p.Stats(); s.Delivered != n {
					t.Errorf("%s: %d delivered, want %d", what, s.Delivered, n)
				}
			}
			publish(room / 2)
			if err := p.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			delivered("after Flush", room/2)
			publish(10 * room)
			if err := p.Close(ctx); err != nil {
				t.Fatal(err)
			}
			delivered("after Close", room/2+10*room)
		})
	}
}
