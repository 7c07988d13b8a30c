package serde

import (
	"fmt"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde/avrobin"
)

// Resolve plans the reading of one schema's data as another's (Avro 1.12,
// "Schema Resolution"). Generated types run the plan in UnmarshalAvroPlan; make
// it once per pair of schemas and share it.
//
// What can be read for some values only is left to those values. The error is
// for text that is not a schema, and for schemas of which no value can be read:
// it names the place and the reason.
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
		return nil, fmt.Errorf("serde: %s written cannot be read as %s: %w", named(w), named(r), err)
	}
	return p, nil
}

func named(s *avsc.Schema) string {
	if s.Name != "" {
		return s.Name
	}
	return s.Kind.String()
}
