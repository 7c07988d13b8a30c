// Package ocf reads and writes Avro object container files. A file has a schema
// and many values of the schema (Avro 1.12, "Object Container Files").
//
//	r, err := ocf.NewReader[clicks.ClickEvent](file)
//	for event, err := range r.All() { … }
//
//	w, err := ocf.NewWriter[clicks.ClickEvent](file, ocf.WithCodec(ocf.Zstandard))
//	err = w.Append(&event)
//	err = w.Close()
//
// [Reader] and [Writer] work with generated types. A file with another version
// of the type's schema is read by the rules of schema resolution.
// [GenericReader] and [GenericWriter] work with bytes and a schema that is
// known only at run time.
//
// Files come from outside, so every claim in a file is checked. A block is read
// as far as bytes arrive, and its size is bounded before and after compression
// (see [WithMaxBlock]).
package ocf
