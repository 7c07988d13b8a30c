// Package codegen turns Avro schemas into Go source. The source holds typed
// records with binary encoding, decoding and defaults, and works with
// serde/avrobin.
//
//	files, err := codegen.Generate(sources, codegen.Options{Package: "events"})
//
// The work has three steps: parse, model and emit. Package internal/avsc does
// the parsing. The model contains all decisions: the package, the file, the Go
// name, the Go type and the default of each declaration. The files model.go,
// build.go and others make the model. The emitter prints the model and makes no
// decisions. The package does no I/O. The same input always gives the same
// bytes.
package codegen
