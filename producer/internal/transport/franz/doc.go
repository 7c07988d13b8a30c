// Package franz is the transport on franz-go's kgo, a Kafka client in pure Go.
//
// kgo has the connections, the logins, the versions of the protocol, the
// coordinators and the consumer groups. The package makes the batches and the
// produce requests itself, because the engine needs to know what kgo's own
// producer does not report:
//
//   - whether a failed message can be in the log,
//   - the record of a batch that the broker refused,
//   - the broker's timestamp.
//
// A message goes through these steps:
//
//  1. Produce appends the message to the last batch of its partition, in the
//     format of the log (batch.go).
//  2. After linger.ms, or when the batch is full, the partition joins the queue
//     of the broker that leads the partition (linger.go, partition.go).
//  3. The broker's sender puts the first batches of many partitions into one
//     request (sender.go). The next request is made after this one is written.
//     The connection notes when the write begins (wire.go).
//  4. The answer ends the batch, or the batch is sent again (outcome.go).
//
// A partition has one batch in flight. A batch is sent again with the same
// producer id and sequence number until the broker has answered whether the
// batch is in the log, so the broker appends the batch once (KIP-98). No time
// limit and no number of attempts ends this. So these rules say whether a
// failed message can be in the log:
//
//  1. A message is not in the log if no connection has begun to write its
//     batch.
//  2. A message is not in the log if the broker answered every attempt of its
//     batch with an error code from before the append (see appendsNothing).
//  3. Every other failed message may be in the log.
//
// After a refusal the partition is closed. Produce returns the code Recovering
// until the handler has returned from the last outcome behind the refusal.
// During this time the engine stops its publishers inside Outcomes. Then the
// engine sends every message again that is not persisted, and keeps the order.
package franz
