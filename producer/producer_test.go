package producer_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/avroline/avroline/producer"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name := w.topic("events", 3)
	p := newProducer(t, w.addrs)
	ctx := waitCtx(t)
	events := producer.NewTopic(name, producer.KeyBy(byKey))

	d, err := events.Publish(ctx, p, &event{Key: "a", Seq: 1})
	if err != nil {
		t.Fatal(err)
	}
	if d.Topic != name || d.Offset != 0 || d.ValueSchemaID != 1 || d.KeySchemaID != 0 || d.Timestamp.IsZero() {
		t.Errorf("delivery %+v", d)
	}

	var called atomic.Int64
	for i := range 1000 {
		err := events.PublishAsync(ctx, p, &event{Key: fmt.Sprint(i % 7), Seq: int64(i)}, func(_ producer.Delivery, err error) {
			if err != nil {
				t.Error(err)
			}
			called.Add(1)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pending, err := events.PublishFuture(ctx, p, &event{Key: "future"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pending.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if d, err, ok := pending.Done(); !ok || err != nil || d.Topic != name {
		t.Errorf("Done after Wait: %v %v %v", d, err, ok)
	}
	results, err := events.PublishAll(ctx, p, []*event{{Key: "x"}, {Key: "x", Seq: 1}, {Key: "x", Seq: 2}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range results[1:] {
		if results[i].Delivery.Offset >= results[i+1].Delivery.Offset {
			t.Errorf("results out of order: %+v", results)
		}
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if n := called.Load(); n != 1000 {
		t.Errorf("%d callbacks after Flush, want 1000", n)
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Accepted != 1005 || s.Delivered != 1005 || s.InFlight != 0 || s.InFlightBytes != 0 {
		t.Errorf("stats %+v", s)
	}
	if err := events.PublishAsync(ctx, p, &event{}, nil); !errors.Is(err, producer.ErrClosed) || !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("publish after close: %v", err)
	}

	read := 0
	for _, r := range w.readAll(name) {
		if id, _ := decodeEvent(t, r.Value); id != 1 {
			t.Errorf("schema id %d", id)
		}
		read++
	}
	if read != 1005 {
		t.Errorf("read %d, want 1005", read)
	}
}
