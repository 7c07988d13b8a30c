// Package codegen turns Avro schemas into Go source. The source holds typed
// records with binary encoding, decoding and defaults, and works with
// serde/avrobin.
//
// The work has three steps: parse, model and emit. Package internal/avsc does
// the parsing. The model takes every decision: the package, the file, the Go
// name, the Go type and the default of each declaration. The model is in
// model.go and the files that build it. The emitter prints the model and
// decides nothing. The package does no I/O. The same input always gives the
// same bytes.
package codegen
