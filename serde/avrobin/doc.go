// Package avrobin is the run time of generated code. It appends and reads the
// values of the Avro binary encoding (Avro 1.12, "Binary Encoding"). A [Plan]
// reads what was written with another version of a schema. The package holds no
// global state.
//
// Programs use few of its names: [Record], [Decoder], [Plan], [Error] and its
// sentinels, [Date], [Duration], [Null] and [UnmarshalAlias]. All other functions
// are for generated code.
//
// Encoding appends: each function takes the bytes so far and returns them
// extended, or, where a value may not fit its Avro type, an error. Decoding
// consumes: each function takes the bytes that are left and returns the value
// and the rest. Strings and bytes are parts of the input; generated UnmarshalAvro
// copies a message once and reads from the copy, so that one allocation holds
// the text of all its fields, and [UnmarshalAlias] does without the copy.
//
// What is refused. On decoding: data that ends too soon or goes on, numbers of
// too many bits, booleans but 0 and 1, indexes that an enum or a union does not
// have, blocks that claim more elements than there are bytes, more than
// [MaxEmpty] elements without bytes, values of recursive types deeper than
// [MaxDepth]. On encoding: times and decimals out of range, decimals that would
// have to be rounded, strings that are not UTF-8, enum values without a symbol,
// unions without a branch. What a reader gets may be text that is not UTF-8:
// decoding takes strings as they are.
//
// Every error that generated code returns is an *[Error], which says where.
package avrobin
