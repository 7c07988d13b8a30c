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
// A message that was accepted has exactly one outcome, and each is true whatever
// fails:
//
//   - a [Delivery]: the message is in the log, once, at that offset;
//   - [ErrNotSent]: the message is in no log and never will be. It may be published
//     again;
//   - [ErrOutcomeUnknown]: the message may be in the log, or come there yet, once.
//     Publishing it again may write it twice.
//
// By default a message never expires inside the client. The context of the call
// bounds the waiting, and the outcome of a wait that ended is unknown.
//
// # How it works
//
// Package transport is the seam to a client library: confluent-kafka-go, or
// franz-go with [WithTransport]. A queue for each partition (queue.go) holds what is
// in flight. A message's token is the number of its queue and its place there, so
// an outcome finds its message in whatever order outcomes come (outcomes.go). The
// outcomes of a turn are put on the books together. Callbacks run on a goroutine of
// their own (delivery.go), so that a callback that publishes or blocks holds up
// other callbacks only. The bound on what is in flight is kept here (inflight.go).
//
// After a fatal error the client is replaced (core.go). The next client first sends
// what is certainly not in the log, before any publisher gets in.
package producer
