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

// openForTest opens a client with the plugin.
func openForTest(t *testing.T, b *producertest.Broker, linger time.Duration) (*client, *outcomeCollector) {
	t.Helper()
	config, err := settings.New(settings.ForProducer, b.Addrs(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	config.Linger = linger
	return openWith(t, config)
}

// openWith opens a client with the plugin and collects its outcomes.
func openWith(t *testing.T, config *settings.Config) (*client, *outcomeCollector) {
	t.Helper()
	h := &outcomeCollector{outcomes: map[transport.Token]transport.Outcome{}}
	k, err := open(config, config.BatchBytes, h, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k, h
}

// sender returns a function that sends n messages to a partition and returns
// the number of all messages, which is also the last token.
func sender(t *testing.T, topic transport.Topic) (send func(partition int32, n int) int) {
	next := 0
	return func(partition int32, n int) int {
		t.Helper()
		for range n {
			next++
			if err := topic.Produce(partition, &transport.Message{Value: []byte("value")}, transport.Token(next)); err != nil {
				t.Fatal(err)
			}
		}
		return next
	}
}

// TestMessagesOutsideRequests ends a client while the leader refuses a batch.
// Only the messages of the refused batch may be in the log. The library had
// made a batch behind it, which no connection has sent. The library had made no
// batch of the other messages, although they came before the refusal.
func TestMessagesOutsideRequests(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	k, h := openForTest(t, b, 0)
	events, err := k.Topic("events")
	if err != nil {
		t.Fatal(err)
	}
	send := sender(t, events)
	h.wait(send(0, 1)) // opens the gate
	b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Count: 1 << 30, Err: kerr.NotLeaderForPartition})
	slow := b.DelayAnswers(2*time.Second, producertest.Produce)
	defer slow.Stop()
	for range 2 { // the request, and the batch behind it
		send(0, 1)
		time.Sleep(300 * time.Millisecond)
	}
	all := send(0, 100)
	time.Sleep(2 * time.Second) // the refusal arrives
	k.TestFatalError("the test ends the client")
	h.wait(all)
	counts := map[transport.Persistence]int{}
	for token, o := range h.outcomes {
		counts[o.Persistence]++
		want := transport.NotPersisted
		switch {
		case token == 1:
			want = transport.Persisted
		case token == 2:
			want = transport.PossiblyPersisted
		}
		if o.Persistence != want || (o.Message != nil) != (want == transport.NotPersisted) {
			t.Errorf("message %d: persistence %d, want %d, copy %t: %v", token, o.Persistence, want, o.Message != nil, o.Err)
		}
	}
	t.Log(counts)
}

// TestRefusedAfterLeaderMoved ends a client while the leader refuses a batch.
// The leader had moved before, while no request of the partition was in flight,
// so the library's last drain of the partition concerned no batch. The refused
// messages are younger than that drain and may be in the log all the same.
func TestRefusedAfterLeaderMoved(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 2), producertest.WithBrokers(2))
	k, h := openForTest(t, b, 0)
	events, err := k.Topic("events")
	if err != nil {
		t.Fatal(err)
	}
	send := sender(t, events)
	send(0, 1)
	h.wait(send(1, 1))
	for partition := range int32(2) {
		other := 1 - b.Cluster().LeaderFor("events", partition)
		if err := b.Cluster().MoveTopicPartition("events", partition, other); err != nil {
			t.Fatal(err)
		}
	}
	h.wait(send(1, 1)) // is refused, so the library looks for the leaders of both partitions
	time.Sleep(200 * time.Millisecond)
	b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Count: 1 << 30, Err: kerr.NotLeaderForPartition})
	last := send(0, 1)
	time.Sleep(500 * time.Millisecond)
	k.TestFatalError("the test ends the client")
	h.wait(last)
	if o := h.outcomes[transport.Token(last)]; o.Persistence != transport.PossiblyPersisted {
		t.Errorf("persistence %d: %v", o.Persistence, o.Err)
	}
}

// TestWindows checks that a partition whose request was refused does not put
// everything that has come meanwhile into one request.
func TestWindows(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	k, h := openForTest(t, b, time.Millisecond)
	events, err := k.Topic("events")
	if err != nil {
		t.Fatal(err)
	}
	send := sender(t, events)
	h.wait(send(0, 1))
	f := b.Refuse(kerr.NotLeaderForPartition.Code, 1, 1, producertest.Produce)
	send(0, 1)
	p := events.(*topic).partition(0)
	for shut := false; !shut; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		shut = p.state == gateShut
		p.mu.Unlock()
	}
	var mu sync.Mutex
	var sizes []int32 // of the batches
	b.Cluster().ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.Cluster().KeepControl()
		var batch kmsg.RecordBatch
		if err := batch.ReadFrom(request.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		sizes = append(sizes, batch.NumRecords)
		return nil, nil, false
	})
	all := send(0, 1000)
	f.Stop()
	h.wait(all)
	for token, o := range h.outcomes {
		if o.Offset != int64(token)-1 {
			t.Fatalf("message %d: offset %d, %v", token, o.Offset, o.Err)
		}
	}
	mu.Lock()
	most := int32(firstWindow)
	for i, size := range sizes {
		switch {
		case size > most:
			t.Errorf("batch %d has %d messages, more than %d: %v", i, size, most, sizes)
		case size > firstWindow/2:
			most *= 2
		}
	}
	t.Log(sizes)
	mu.Unlock()
	p.mu.Lock()
	if p.state == gateOpen {
		t.Errorf("the gate is open soon after a refusal, with the window %d", p.window)
	}
	p.mu.Unlock()
	k.gates.refused.Store(time.Now().Add(-windowsFor).UnixNano())
	h.wait(send(0, 1))
	for open := false; !open; time.Sleep(time.Millisecond) { // long after a refusal
		p.mu.Lock()
		open = p.state == gateOpen && p.window == 0
		p.mu.Unlock()
	}
}

// TestFirstWindow checks which clients have windows.
func TestFirstWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		gated  bool
		config settings.Config
		want   int32
	}{
		{"default", true, settings.Config{Linger: 5 * time.Millisecond}, firstWindow},
		{"no linger", true, settings.Config{}, firstWindow},
		{"long linger", true, settings.Config{Linger: 11 * time.Millisecond}, 0},
		{"transactions", true, settings.Config{TransactionalID: "id"}, 0},
		{"no idempotence", false, settings.Config{}, 0},
	} {
		if got := (&client{gated: c.gated, config: &c.config}).newWindow(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
