// Package avrobin is the run time of generated code. It appends and reads the
// values of the Avro binary encoding (Avro 1.12, "Binary Encoding"). A [Plan]
// reads data that was written with another version of a schema. The package has
// no global state.
//
// Programs use few of its names: [Record], [Decoder], [Plan], [Error] and its
// sentinels, [Date], [Duration], [Null] and [UnmarshalAlias]. All other
// functions are for generated code.
//
// An encoding function takes the bytes so far and returns the extended bytes.
// If a value may not fit its Avro type, the function also returns an error. A
// decoding function takes the remaining bytes and returns the value and the
// rest. Strings and bytes are parts of the input. Generated UnmarshalAvro
// copies a message once and reads from the copy, so a single allocation holds
// the text of all fields. [UnmarshalAlias] does not copy.
//
// Decoding refuses:
//
//   - data that ends too soon, or bytes after the value;
//   - numbers of too many bits, and booleans other than 0 and 1;
//   - an index that the enum or the union does not have;
//   - a block that claims more elements than there are bytes;
//   - more than [MaxEmpty] elements without bytes;
//   - values of recursive types deeper than [MaxDepth].
//
// Encoding refuses:
//
//   - times and decimals out of range, and decimals that need rounding;
//   - strings that are not UTF-8;
//   - enum values without a symbol, and unions without a branch.
//
// Decoding does not check strings, so a reader may get text that is not UTF-8.
//
// Every error of generated code is an *[Error] with the place of the mistake.
package avrobin
