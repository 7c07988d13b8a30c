// Package producer publishes typed records to Kafka, each exactly once.
//
//	var orders = producer.NewTopic("orders", producer.KeyBy(func(e *events.OrderCreated) string { return e.OrderID.String() }))
//
//	p, err := producer.New(brokers, serializer)
//	d, err := orders.Publish(ctx, p, &event)                  // wait for the outcome
//	err = orders.PublishAsync(ctx, p, &event, callback)       // or be told
//	future, err := orders.PublishFuture(ctx, p, &event)       // or ask later
//	err = p.Close(ctx)                                        // accounts for everything
//
// # Outcomes
//
// A message that was accepted has exactly one outcome, and each is true whatever fails:
//
//   - a [Delivery]: it is in the log, once, there;
//   - [ErrNotSent]: it is in no log and never will be. It may be published again;
//   - [ErrOutcomeUnknown]: it may be in the log, or come there yet, once. To publish it again may make it two.
//
// Not sent is only what the client never took, or what was aborted with its transaction. A failed delivery report is no
// proof of absence, whatever its code: an earlier attempt may have been applied and its answer lost. So by default a message
// never expires inside the client; the context of the call bounds the waiting, and the outcome of a wait that ended is
// unknown.
//
// # How it works
//
// The client behind is confluent-kafka-go, idempotent, with acks=all, in its cheapest mode: delivery reports carry a
// partition and an offset and nothing of the message. The partition is chosen in Go, and a ring for each partition matches
// reports to messages in their order (ring.go); should that order ever break, the producer stops with a fatal error rather
// than tell an outcome that is not a message's own. The event goroutine (events.go) keeps the books; callbacks run on a
// goroutine of their own (delivery.go), so that one that publishes, or blocks, holds up nothing but other callbacks. The
// bound on what is in flight is kept in Go (inflight.go): a full buffer makes callers wait in line.
package producer
