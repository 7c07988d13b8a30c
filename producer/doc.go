// Package producer publishes typed records to Kafka, each exactly once.
//
//	var orders = producer.NewTopic("orders", producer.KeyBy(orderKey))
//
//	p, err := producer.New(brokers, serializer)
//	d, err := orders.Publish(ctx, p, &event)                  // wait for the outcome
//	err = orders.PublishAsync(ctx, p, &event, callback)       // or be told
//	future, err := orders.PublishFuture(ctx, p, &event)       // or ask later
//	err = p.Close(ctx)                                        // accounts for everything
//
// # Outcomes
//
// An accepted message has exactly one outcome. The outcome is true whatever
// fails:
//
//   - a [Delivery]: the message is in the log, once, at that offset;
//   - [ErrNotSent]: the message is in no log and never will be. The program may
//     publish the message again;
//   - [ErrOutcomeUnknown]: the message may be in the log, or may be written
//     later, once. Publishing again may write the message twice.
//
// By default a message never expires inside the client. The context of the call
// bounds the wait. If the wait ends early, the outcome is unknown.
//
// # How it works
//
// Package transport is the seam to a client library: confluent-kafka-go, or
// franz-go with [WithTransport]. Each partition has a queue of its messages in
// flight (queue.go). A message's token is the number of its queue and its place
// in the queue. So an outcome finds its message whatever the order of outcomes
// is (outcomes.go). The outcomes of a turn are counted together. Callbacks run
// on their own goroutine (delivery.go), so a callback that publishes or blocks
// delays only other callbacks. This package bounds the messages in flight
// (inflight.go).
//
// After a fatal error the client is replaced (core.go). The next client first
// sends the messages that are certainly not in the log. Publishers wait until
// then.
package producer
