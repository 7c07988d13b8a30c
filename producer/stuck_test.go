package producer_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestStuckPartition checks that a partition without a leader uses only a part
// of the buffer, and that the other partitions go on. The producer names the
// stuck partition. With a leader again, the partition delivers all its
// messages.
func TestStuckPartition(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 3))
	p := newProducer(t, b.Addrs(), producer.WithMaxInFlight(200, 1<<20), producer.WithLinger(0))
	events := producer.NewTopic("events", producer.NoKey[*event]())
	ctx := waitCtx(t)
	if err := p.Prepare(ctx, events); err != nil {
		t.Fatal(err)
	}
	leaderless := b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{0}, Count: 1 << 30, Err: kerr.NotLeaderForPartition})
	to := func(ctx context.Context, partition int32, cb producer.Callback) error {
		return events.SendAsync(ctx, p, producer.Message[*event]{Value: &event{}, Partition: producer.ToPartition(partition)}, cb)
	}
	// Fill the buffer with the messages of the stuck partition.
	var dead sync.WaitGroup
	filled := 0
	for {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		dead.Add(1)
		err := to(short, 0, func(producer.Delivery, error) { dead.Done() })
		cancel()
		if err != nil {
			dead.Done()
			break
		}
		filled++
	}
	if filled != 200 {
		t.Errorf("the partition filled %d of 200", filled)
	}
	for i := range 500 { // the other partitions go on
		done := make(chan error, 1)
		if err := to(ctx, 1+int32(i%2), func(_ producer.Delivery, err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := to(short, 0, nil); !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "events[0]") {
		t.Errorf("the stuck partition: %v", err)
	}
	if err := events.TrySendAsync(ctx, p, producer.Message[*event]{Value: &event{}, Partition: producer.ToPartition(0)}, nil); !errors.Is(err, producer.ErrWouldBlock) {
		t.Errorf("without waiting: %v", err)
	}
	if s := p.Stats(); s.InFlight != 200 || s.InFlightBytes == 0 {
		t.Errorf("stats %+v", s)
	}
	leaderless.Remove()
	dead.Wait()
	if err := to(ctx, 0, nil); err != nil {
		t.Error(err)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Delivered != 701 || s.InFlight != 0 || s.InFlightBytes != 0 {
		t.Errorf("stats %+v", s)
	}
}
