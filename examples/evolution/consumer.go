package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

const topic = "orders"

// consumer reads the topic like a service of a certain release of the schema.
// The deserializer needs only bytes and headers, so any client library works.
type consumer struct {
	lines chan string // one line for each message
	ended chan struct{}
}

// consume starts a consumer of T. The consumer passes each order to show until
// ctx ends.
func consume[T any, PT avrobin.Ptr[T]](ctx context.Context, broker *producertest.Broker, reg *registry.Client, show func(*T) string) (*consumer, error) {
	des, err := serde.NewDeserializer[T, PT](reg)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	c := &consumer{lines: make(chan string), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		defer client.Close()
		for {
			fetches := client.PollFetches(ctx)
			if ctx.Err() != nil {
				return
			}
			for _, r := range fetches.Records() {
				line := ""
				if order, err := des.Decode(ctx, serde.Input{Topic: r.Topic, Data: r.Value}); err != nil {
					line = "cannot be read: " + err.Error()
				} else {
					line = show(&order)
				}
				select {
				case c.lines <- line:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return c, nil
}

// close waits for the consumer. The consumer's context must have ended.
func (c *consumer) close() { <-c.ended }
