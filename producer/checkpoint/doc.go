// Package checkpoint has the record types of a source.Source. A source stores
// its position in each stream as a record in a topic. Other programs can read
// the topic with this package.
//
//	d, err := serde.NewDeserializer[checkpoint.Position](reg)
package checkpoint

//go:generate go tool avrogen generate -o .. ../../schemas/checkpoint
