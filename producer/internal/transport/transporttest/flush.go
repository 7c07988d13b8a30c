package transporttest

import (
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
)

// testFlush checks that no message waits for linger.ms during a flush.
func testFlush(t *testing.T, lib Library) {
	if lib.LingersInFlush {
		t.Skip("the client library has no flush that this transport can use")
	}
	const linger = 50 * time.Second // below the default transaction.timeout.ms
	longest := set(func(c *settings.Config) { c.Linger = linger })
	for name, id := range map[string]string{"messages": "", "messages of a transaction": "flush"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onAllBrokers(t, func(t *testing.T, b brokers) {
				topic := b.create(t, "flush", 3, nil)
				s := open(t, lib, config(t, b.addrs, id, longest))
				if id != "" {
					must(t, s.client.InitTransactions(deadline(t)))
					must(t, s.client.BeginTransaction())
				}
				h := s.topic(t, topic)
				s.send(t, h, 3, 30)
				s.client.BeginFlush()
				s.all(t, 30)
				s.client.BeginFlush() // another flush
				s.send(t, h, 3, 30)
				s.all(t, 60)
				s.client.EndFlush()
				s.send(t, h, 3, 30) // the first flush goes on
				s.all(t, 90)
				s.client.EndFlush()

				total := 90
				for lingers := false; !lingers; { // the library may notice the end late
					s.send(t, h, 3, 3)
					total += 3
					time.Sleep(50 * time.Millisecond)
					s.mu.Lock()
					lingers = len(s.outcomes) < total
					s.mu.Unlock()
				}
				begun := time.Now()
				s.client.BeginFlush()
				s.all(t, total)
				s.client.EndFlush()
				if took := time.Since(begun); took >= linger {
					t.Errorf("the flush took %v, as long as linger.ms", took)
				}
				if id != "" {
					must(t, s.client.CommitTransaction(deadline(t)))
				}
				s.close()
				s.compareWithLog(t, b.read(t, topic))
			})
		})
	}
}
