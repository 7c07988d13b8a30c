// Package franz is the transport on franz-go's kgo, a Kafka client in pure Go.
//
// kgo keeps the order of a partition and resends a batch until the broker has
// answered. The engine needs three more facts that kgo does not report:
//
//   - whether a failed message can be in the log,
//   - the record of a batch that the broker refused,
//   - the broker's timestamp.
//
// The broker's answers contain all three facts. Therefore the package reads the
// produce requests and answers on the connection (see wire.go).
//
// These rules say whether a failed message can be in the log:
//
//  1. A message is not in the log if the client never wrote the message to a
//     connection.
//  2. A message is not in the log if the broker answered every attempt of its
//     batch with an error code from before the append (see appendsNothing).
//  3. A batch behind a refused batch is not in the log. Its sequence number
//     follows the refused batch, so the broker refuses the later batch too. kgo
//     writes a second batch only after the leader has acknowledged a first
//     batch.
//  4. Every other failed message may be in the log.
//
// After a refusal the partition is closed. Produce returns the code Recovering
// until the handler has returned from the last outcome behind the refusal.
// During this time the engine stops its publishers inside Outcomes. Then the
// engine sends every message again that is not persisted, and keeps the order.
package franz
