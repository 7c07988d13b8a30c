package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// events returns events like the lines of an access log, so that compression
// works on realistic data. Each event has about 130 bytes.
func events() []*clicks.ClickEvent {
	agents := []string{"Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Macintosh; Intel Mac OS X)", "curl/8.9.1"}
	out := make([]*clicks.ClickEvent, 1024)
	for i := range out {
		e := clicks.NewClickEvent()
		e.EventID, e.At = uuid.New(), time.UnixMilli(1_760_000_000_000+int64(i)).UTC()
		e.Visitor, e.IP = fmt.Sprintf("%08x", i*2654435761), fmt.Sprintf("198.51.100.%d", i%250)
		e.Method, e.Path, e.Protocol, e.Status = "GET", fmt.Sprintf("/products/%d", i*37%9999), "HTTP/2.0", 200
		e.UserAgent = &agents[i%len(agents)]
		out[i] = &e
	}
	return out
}

func start(brokers []string, topic string, opts []producer.Option) (*producer.Producer, *producer.Topic[*clicks.ClickEvent], error) {
	ser, err := serde.NewSerializer(&workload.Registry{})
	if err != nil {
		return nil, nil, err
	}
	p, err := producer.New(brokers, ser, opts...)
	if err != nil {
		return nil, nil, err
	}
	return p, producer.NewTopic(topic, producer.KeyBy(func(e *clicks.ClickEvent) string { return e.Visitor })), nil
}

// measure runs a setting at full speed, and then at a steady rate for the
// latency.
func measure(ctx context.Context, brokers []string, topic string, opts []producer.Option) (figure, error) {
	rate, err := flatOut(ctx, brokers, topic, *count, opts)
	if err != nil {
		return figure{}, err
	}
	var mu sync.Mutex
	var waits []time.Duration
	opts = append(slices.Clone(opts), producer.WithHooks(producer.Hooks{Outcome: func(_ any, o producer.Outcome) {
		mu.Lock()
		defer mu.Unlock()
		waits = append(waits, o.Waited)
	}}))
	p, t, err := start(brokers, topic, opts)
	if err != nil {
		return figure{}, err
	}
	input := events()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for sent := 0; sent < pacedRate; {
		<-tick.C
		for range pacedRate / 1000 {
			if err := t.PublishAsync(ctx, p, input[sent%len(input)], nil); err != nil {
				return figure{}, err
			}
			sent++
		}
	}
	if err := p.Close(ctx); err != nil {
		return figure{}, err
	}
	slices.Sort(waits)
	return figure{rate, waits[len(waits)/2], waits[len(waits)*99/100]}, nil
}

func flatOut(ctx context.Context, brokers []string, topic string, n int, opts []producer.Option) (float64, error) {
	p, t, err := start(brokers, topic, opts)
	if err != nil {
		return 0, err
	}
	input := events()
	if _, err := t.Publish(ctx, p, input[0]); err != nil { // opens connections and loads the schema
		return 0, err
	}
	begin := time.Now()
	for i := range n {
		if err := t.PublishAsync(ctx, p, input[i%len(input)], nil); err != nil {
			return 0, err
		}
	}
	if err := p.Close(ctx); err != nil {
		return 0, err
	}
	if s := p.Stats(); s.Delivered != int64(n)+1 {
		return 0, fmt.Errorf("%d of %d delivered", s.Delivered, n+1)
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}
