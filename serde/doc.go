// Package serde turns records into schema-registry-framed bytes and back.
//
// # Writing
//
// A [Serializer] holds a registry and options; [Serializer.For] binds a topic
// and a part (value or key) once, and [Binding.Append] is the warm path:
//
//	ser, err := serde.NewSerializer(reg)
//	orders := ser.For("orders", serde.Value)
//	buf, err = orders.Append(ctx, buf[:0], &OrderCreated{…})
//
// The first record of a schema asks the registry; from then on Append costs one
// atomic load and one compare above the record's own AppendAvro, without a
// lock, an allocation or a call. A record always writes its own schema, so the
// registry is asked for that schema's id and never for another's: see
// [LookupOnly], [UseLatest], [UseLatestWithMetadata] and [UseID].
//
// # Reading
//
// A [Deserializer] reads what any writer of a compatible schema wrote into one
// generated type: straight when the writer's schema is the type's own, else by
// a plan compiled once per writer's schema. A [Mux] reads a topic of several
// types. [Generic] reads and writes schemas that are known only at run time; a
// [GenericDeserializer] reads any message.
//
// # Wire formats
//
// Written: the Confluent prefix (a zero byte, the id as a big-endian int32), or
// with [IDInHeader] the GUID header. Read by default: both of them, and the
// GUID as a prefix. Apicurio's and Avro's single-object framing are read by
// explicit option only: bytes alone cannot tell them apart safely.
package serde
