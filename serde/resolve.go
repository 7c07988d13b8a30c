package serde

import (
	"fmt"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde/avrobin"
)

// Resolve returns the plan to read data of the writer schema as data of the
// reader schema (Avro 1.12, "Schema Resolution"). Generated types run the plan
// in UnmarshalAvroPlan. Make the plan once per pair of schemas and share the
// plan.
//
// Resolve returns an error if a text is not a schema, or if no value of the
// writer schema can be read. The error names the place and the reason. If only
// some values can be read, Resolve returns a plan, and reading the other values
// is an error.
func Resolve(writerSchema, readerSchema string) (*avrobin.Plan, error) {
	w, err := avsc.ParseStored("writer schema", []byte(writerSchema))
	if err != nil {
		return nil, fmt.Errorf("serde: %w", err)
	}
	r, err := avsc.Parse("reader schema", []byte(readerSchema))
	if err != nil {
		return nil, fmt.Errorf("serde: %w", err)
	}
	p, err := resolve.Resolve(w, r)
	if err != nil {
		return nil, fmt.Errorf("serde: %s written cannot be read as %s: %w", w.TypeName(), r.TypeName(), err)
	}
	return p, nil
}
