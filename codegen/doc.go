// Package codegen turns Avro schemas into Go source: typed records with their
// binary encoding, decoding and defaults, ready for serde/avrobin.
//
// The way is parse, model, emit. Parsing is internal/avsc's; the model
// (model.go and the files that build it) takes every decision: which package,
// which file, which Go name, which Go type, which literal is a default; the
// emitter prints and decides nothing. The package does no I/O: texts in, texts
// out, the same input always giving the same bytes.
package codegen
