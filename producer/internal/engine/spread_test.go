package engine

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/open"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestSpread checks that an engine whose topics have very many partitions uses
// several clients, if the transport asks for it. The topics of a client that is
// replaced stay together. Every message is delivered, in the order of its
// partition.
func TestSpread(t *testing.T) {
	t.Parallel()
	const topics, partitions, rounds = 5, 600, 3
	var opts []producertest.Option
	for i := range topics {
		opts = append(opts, producertest.WithTopic("topic-"+strconv.Itoa(i), partitions))
	}
	b := producertest.Start(t, opts...)
	ids := make(chan struct{}, 1000)
	b.Cluster().ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.Cluster().KeepControl()
		ids <- struct{}{}
		return nil, nil, false
	})
	config, err := settings.New(settings.ForProducer, b.Addrs(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(config, Callbacks{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	next := map[string][]int64{} // the next offset of each partition
	for round := range rounds {
		for i := range topics {
			topic := e.Topic("topic-" + strconv.Itoa(i))
			offsets := next[topic.Name()]
			if offsets == nil {
				offsets = make([]int64, partitions)
				next[topic.Name()] = offsets
			}
			for p := range int32(partitions) {
				m := &Message{Message: transport.Message{Value: []byte("value")}, Callback: func(d Delivery, err error) {
					if err != nil || d.Offset != offsets[p] {
						t.Errorf("%s[%d]: offset %d, want %d: %v", d.Topic, p, d.Offset, offsets[p], err)
					}
					offsets[p]++
				}}
				if err := topic.Send(ctx, m, choice(p), true); err != nil {
					t.Fatal(err)
				}
			}
		}
		if round == 0 {
			if err := e.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			e.renewLast()
		}
	}
	if err := e.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	most, want := open.MostPartitions(config), 1
	if most > 0 {
		want = 3 // 1,200, 1,200 and 600 partitions
	}
	if n := len(e.clients); n != want {
		t.Errorf("%d clients, want %d", n, want)
	}
	grown := e.Topic("topic-0")
	if err := b.AddPartitions(grown.Name(), partitions+100); err != nil {
		t.Fatal(err)
	}
	for len(grown.route.Load().queues) < partitions+100 {
		if ctx.Err() != nil {
			t.Fatal("the added partitions were not found")
		}
		grown.refresh(grown.route.Load())
	}
	for slot, load := range e.loads {
		if k := e.clients[slot]; int(load) != len(*k.queues.Load()) {
			t.Errorf("client %d has %d partitions, counted %d", slot, len(*k.queues.Load()), load)
		}
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if len(ids) < want+1 {
		t.Errorf("%d producer ids for %d clients and a replaced one", len(ids), want)
	}
}

// renewLast replaces the client that was made last.
func (e *Engine) renewLast() {
	e.mu.Lock()
	k := e.clients[len(e.clients)-1]
	e.mu.Unlock()
	k.Fatal(&transport.Error{Code: transport.Other, Fatal: true, Text: "the test ends the client"})
	<-e.renew(k).done
}

// choice always chooses the same partition.
type choice int32

// Choose implements Chooser.
func (c choice) Choose(int32) (int32, error) { return int32(c), nil }
