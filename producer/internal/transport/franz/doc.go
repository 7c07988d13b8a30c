// Package franz is the transport on franz-go's kgo, a Kafka client in pure Go.
//
// kgo keeps the order of a partition and resends a batch until the broker has
// answered it. Package franz adds what the engine must know and kgo does not
// tell: whether a message that failed can be in the log, which record of a
// batch the broker refused, and the broker's timestamp. The broker says all
// three in its answers, so the package reads the produce requests and answers
// on their way through the connection (see wire.go).
//
// Which message failed for certain:
//
//  1. A message that was never written to a connection is not in the log.
//  2. A message of a batch is not in the log if every attempt of that batch was
//     answered, and each answer has a code that the broker gives before it
//     appends (see appendsNothing).
//  3. A batch behind a refused batch is not in the log. Its sequence number
//     follows that of the refused batch, so the broker refuses it too. kgo
//     writes a second batch only after the leader has acknowledged one.
//  4. Every other message that failed may be in the log.
//
// After a refusal the partition is closed: Produce returns the code Recovering
// until the handler has returned from the last outcome behind the refusal. So
// the engine can stop its publishers inside Outcomes, send again what is not
// persisted, and keep the order.
package franz
