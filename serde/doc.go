// Package serde turns records into messages of a schema registry and back. A
// message is a schema id and the Avro encoding of a record.
//
// # Writing
//
// A [Serializer] holds a registry client and options. [Serializer.For] binds a
// topic and a part, value or key. Do that once per topic. [Binding.Append] then
// writes records:
//
//	ser, err := serde.NewSerializer(reg)
//	orders := ser.For("orders", serde.Value)
//	buf, err = orders.Append(ctx, buf[:0], &OrderCreated{…})
//
// The first record of a schema asks the registry. Later records make no
// request, take no lock and allocate nothing. A record is written only under a
// schema id whose schema gives the bytes the same meaning as the record's own
// schema. See [AutoRegister], [LookupOnly], [UseLatest],
// [UseLatestWithMetadata] and [UseID].
//
// # Reading
//
// A [Deserializer] reads messages into one generated type. If the message has
// the type's own schema, the data is decoded directly. If the message has
// another version of the schema, a plan converts the data. The plan is made
// once per writer schema. A [Mux] reads a topic of several types. [Generic]
// reads and writes a schema that is known only at run time. A
// [GenericDeserializer] reads messages of any schema.
//
// # Rules
//
// A subject may have rules in the registry, such as a rule that encrypts tagged
// fields. [WithRules] gives the executors for such rules. A record whose schema
// has a rule without an executor is refused with a [*RuleError]. [IgnoreRules]
// lets records pass without their rules.
//
// # Wire formats
//
// A Binding writes Confluent's prefix: a zero byte and the id as a big-endian
// int32. With [IDInHeader], a Binding writes the schema's GUID into a header
// instead. A Deserializer reads both forms, and also the GUID as a prefix. The
// formats of Apicurio and Avro's single-object encoding need an option, because
// the bytes alone do not distinguish the formats.
package serde
