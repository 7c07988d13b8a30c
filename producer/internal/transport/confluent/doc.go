//go:build cgo

// Package confluent is the transport on librdkafka, under the Go client
// confluent-kafka-go.
//
// It is made by kafka.NewProducer and uses librdkafka's C functions for what the
// Go client cannot do fast or does not tell.
//
// # The plugin
//
// The setting plugin.library.paths=";" names one library with an empty path. For
// dlopen the empty path is the program itself. So librdkafka finds the function
// conf_init of this package, and calls it before the client starts. conf_init adds
// interceptors, which are public functions of librdkafka: on_new hands over the C
// instance, and on_acknowledgement is called once for each message, with its token,
// its offset, its error and whether it is in the log. No Go event is made for a
// message.
//
// Where the program cannot open itself (a static program, or one that is a shared
// library), the package uses the public way of the Go client: events, with the
// token as the message's Opaque. That way costs more, and it cannot tell whether a
// message that failed is in the log.
//
// # The gate
//
// librdkafka counts a batch as acknowledged if a later batch of the same partition
// is (its issue 921). A broker accepts any sequence number from a producer id that
// it does not know. So if the first batch of a partition is refused, for example
// because its leader has moved, and the second batch reaches the new leader first,
// the first batch is lost and reported as delivered. Therefore nothing else of a
// partition is given to the library until the first message of the partition has
// been acknowledged. Messages wait in the gate meanwhile.
package confluent
