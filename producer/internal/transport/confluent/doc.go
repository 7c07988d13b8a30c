//go:build cgo

// Package confluent is the transport on librdkafka, through the Go client
// confluent-kafka-go.
//
// kafka.NewProducer makes each client. The Go client is slow in some calls and
// hides some facts. For these, the package calls librdkafka's C functions.
//
// # The plugin
//
// The setting plugin.library.paths=";" names one library with an empty path.
// For dlopen, the empty path is the program itself. So librdkafka finds the
// function conf_init of this package and calls it before the client starts.
// conf_init adds two interceptors with public functions of librdkafka. on_new
// passes the C instance to the package. The library calls on_acknowledgement
// once for each message, with the token, the offset, the error, and the status
// in the log. The Go client makes no event for a message.
//
// Some programs cannot open themselves, for example a static program or a
// program inside a shared library. There the package uses the public API of the
// Go client. Each message is an event, and the token is the message's Opaque.
// The events are slower. The events also do not say whether a failed message is
// in the log.
//
// # The gate
//
// If the broker acknowledges a batch, librdkafka also counts every earlier
// batch of the partition as acknowledged (its issue 921). A broker accepts any
// sequence number from an unknown producer id. Both together can lose a batch:
//
//  1. A broker refuses the first batch of a partition, for example because the
//     leader has moved.
//  2. The second batch reaches the new leader first, and the new leader accepts
//     the batch.
//  3. librdkafka reports the first batch as delivered, but the first batch is
//     lost.
//
// Therefore the library gets only the first message of a partition until the
// broker has acknowledged this message. Meanwhile the other messages wait in
// the gate.
//
// # Groups
//
// A call into the library takes as long as the rest of a small message. So the
// library gets the messages of a busy partition in groups. See group.go.
//
// # Commits
//
// The library sends the messages of a transaction up to a millisecond late if a
// commit comes at the wrong moment. So a commit waits for the right moment. See
// registration.go.
//
// # What may be in the log
//
// A leader that resigns may answer "not leader" for a batch that it has
// written, and the batch may stay in the log. librdkafka calls the messages of
// such a batch not persisted. So if the client ends after such an answer, the
// messages of the batch count as possibly persisted. The debug lines of the
// context msg name the batches that the library makes and the batches that
// fail. Messages that came after a batch was made are not in it. The engine
// sends the other messages again.
//
// After such an answer, and at the start of a client, the gate gives the
// library the messages of the partition in windows. Otherwise the next batch
// would have everything that has come meanwhile.
//
// # Partitions that stand still
//
// The library may send a partition to a node that is not its leader, and never
// stop (its issue 4976). stall.go finds such a partition and ends the client.
package confluent
