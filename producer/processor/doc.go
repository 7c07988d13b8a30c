// Package processor consumes messages, transforms each message and publishes
// the results. Each message has its effect exactly once (KIP-447).
//
//	p, err := processor.New(brokers, "booking-0", "booking", []string{"orders"}, deserializer, serializer,
//		func(ctx context.Context, tx *producer.Tx, m processor.Consumed[events.OrderCreated]) error {
//			return ledger.Add(ctx, tx, entryOf(m.Value))
//		})
//	err = p.Run(ctx) // until ctx ends
//
// One Kafka transaction commits two things: the messages that the function
// adds, and the offsets of the messages that the processor has read. So each
// message has its effect exactly once, even after a rebalance, a restart, a
// lost answer or a kill -9.
package processor
