//go:build cgo

package confluent

import (
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// outcomeCollector keeps the outcomes of a client.
type outcomeCollector struct {
	ignoringHandler
	mu       sync.Mutex
	outcomes map[transport.Token]transport.Outcome
}

func (c *outcomeCollector) Outcomes(list []transport.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range list {
		c.outcomes[o.Token] = o
	}
}

func (c *outcomeCollector) wait(n int) {
	for {
		c.mu.Lock()
		got := len(c.outcomes)
		c.mu.Unlock()
		if got >= n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestMessagesOutsideRequests ends a client while the leader refuses a batch.
// Only the messages in a request may be in the log: the refused batch, and one
// batch that the library had made behind it. The library made no batch of the
// other messages, although they came before the refusal.
func TestMessagesOutsideRequests(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	config, err := settings.New(settings.ForProducer, b.Addrs(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	config.Linger = 0
	h := &outcomeCollector{outcomes: map[transport.Token]transport.Outcome{}}
	k, err := open(config, config.BatchBytes, h, true)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	events, err := k.Topic("events")
	if err != nil {
		t.Fatal(err)
	}
	next := transport.Token(0)
	send := func(n int) {
		for range n {
			next++
			if err := events.Produce(0, &transport.Message{Value: []byte("value")}, next); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(1) // opens the gate
	h.wait(1)
	b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Count: 1 << 30, Err: kerr.NotLeaderForPartition})
	slow := b.DelayAnswers(2*time.Second, producertest.Produce)
	defer slow.Stop()
	for range 2 { // the request, and the batch behind it
		send(1)
		time.Sleep(300 * time.Millisecond)
	}
	send(100)
	time.Sleep(2 * time.Second) // the refusal arrives
	k.TestFatalError("the test ends the client")
	h.wait(int(next))
	counts := map[transport.Persistence]int{}
	for token, o := range h.outcomes {
		counts[o.Persistence]++
		want := transport.NotPersisted
		switch {
		case token == 1:
			want = transport.Persisted
		case token == 2, token == 3 && o.Persistence == transport.PossiblyPersisted:
			want = transport.PossiblyPersisted
		}
		if o.Persistence != want || (o.Message != nil) != (want == transport.NotPersisted) {
			t.Errorf("message %d: persistence %d, want %d, copy %t: %v", token, o.Persistence, want, o.Message != nil, o.Err)
		}
	}
	t.Log(counts)
}
