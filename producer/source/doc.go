// Package source publishes what is read elsewhere, each item exactly once: the
// lines of files ([Files]), the rows of a table (package outbox), or any other
// [Input] that can name its positions.
//
// How far the input was read is an Avro record, checkpoint.Position, in a
// compacted topic. It is written in the same Kafka transaction as the messages
// that were made of the items (KIP-618 does the same for Kafka Connect). So the
// next run, after a restart, a kill -9 or a commit in doubt, goes on exactly
// after the last item that was published.
//
// The package bounds the transactions, finds out what became of a commit in
// doubt, notices a second instance, and shares an input between instances
// ([WithShards]).
package source
