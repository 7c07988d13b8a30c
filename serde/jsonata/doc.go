// Package jsonata runs the rules of a schema registry that are written in
// JSONata. Migration rules change a record between two versions of a subject
// that Avro alone cannot resolve, such as a renamed field.
//
//	des, err := serde.NewGenericDeserializer(reg,
//		serde.UseLatestWithMetadata(map[string]string{"major": "2"}),
//		serde.WithRules(jsonata.Executors()...))
//
// With such a deserializer, an UPGRADE rule of each newer version changes a
// message of an older version, and a DOWNGRADE rule of each newer version
// changes a message of a newer version. A JSONATA rule can also be a domain
// rule, which transforms or checks a record while writing or reading.
//
// # The record
//
// The expression sees the record as JSON. A value of a union stands for itself,
// without the name of its branch, and null is null. Bytes are characters up to
// U+00FF. Logical types are not interpreted, so a timestamp is a number, and a
// decimal is bytes. A field of the result that the schema does not have is left
// out. A missing field gets its default, or null if its type allows null. A
// value that the rule does not change keeps the branch of its union. If a
// changed value fits no single branch, the rule fails.
//
// # The language
//
// The language is JSONata 2, as in Confluent's Python and JavaScript clients.
// The verdicts on more than 400 expressions were compared. Integers of 64 bits
// stay exact, also beyond 2^53. The operators %, @ and #, the function $eval
// and the pictures of dates and words are not supported. A regular expression
// has the syntax of package regexp. An expression that is not supported stops
// every record of the rule. The depth, the work and the memory of an evaluation
// are bounded.
package jsonata
