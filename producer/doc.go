// Package producer publishes typed records to Kafka, each exactly once.
//
//	var orders = producer.NewTopic("orders", producer.KeyBy(orderKey))
//
//	p, err := producer.New(brokers, serializer)
//	d, err := orders.Publish(ctx, p, &event)                  // waits for the outcome
//	err = orders.PublishAsync(ctx, p, &event, callback)       // callback gets the outcome
//	future, err := orders.PublishFuture(ctx, p, &event)       // Wait returns the outcome
//	err = p.Close(ctx)                                        // waits for all outcomes
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
// A [Topic] encodes a record and gives the message to the engine below. The
// engine bounds the messages in flight, finds the outcome of each message and
// replaces a client after a fatal error. A transport puts the bytes into Kafka:
// confluent-kafka-go, or franz-go with [WithTransport]. Callbacks run on their
// own goroutine, so a callback that publishes or blocks delays only other
// callbacks. CONTRIBUTING.md has the map.
package producer
