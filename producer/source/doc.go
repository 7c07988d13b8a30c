// Package source publishes the items of an external input. Each item is
// published exactly once. An input is the lines of files ([Files]), the rows of
// a table (package outbox), or another [Input] with positions.
//
//	s, err := source.New(brokers, "access-log", source.Files(paths), registry, serializer)
//	err = s.Run(ctx, func(ctx context.Context, tx *producer.Tx, l source.Line) error {
//		return clicks.Add(ctx, tx, parse(l.Text))
//	})
//	err = s.Close(ctx)
//
// A position records how far the input was read. A position is an Avro record,
// checkpoint.Position, in a compacted topic. One Kafka transaction writes the
// messages of some items and the position behind the last item. KIP-618 does
// the same for Kafka Connect. So the next run continues exactly after the last
// published item, even after a restart, a kill -9 or a commit in doubt.
//
// The package bounds the size of the transactions, finds the outcome of a
// commit in doubt, and notices a second instance. [WithShards] shares an input
// between instances.
package source
