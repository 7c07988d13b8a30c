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
// [Reader] and [Writer] work with generated types. If a file has another
// version of the type's schema, the rules of schema resolution apply.
// [GenericReader] and [GenericWriter] work with bytes and a schema that is
// known only at run time.
//
// A file may be corrupt or hostile, so the reader checks every size in a file.
// Memory grows only with the bytes that arrive. [WithMaxBlock] limits the size
// of a block before and after decompression.
package ocf
