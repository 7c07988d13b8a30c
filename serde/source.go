package serde

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
)

// DeserializerOption sets what a [Deserializer] or a [Mux] reads, and how.
type DeserializerOption struct{ apply func(*source) error }

// AliasInput lets strings and bytes of what is read be parts of Input.Data, which
// must then not change as long as they are in use. By default they are parts of
// one copy. A message of another version of the schema is copied all the same.
func AliasInput() DeserializerOption {
	return DeserializerOption{func(s *source) error { s.alias = true; return nil }}
}

// WithSchemas lets Avro's single-object encoding be read besides ("Single-object
// encoding" in the specification): its fingerprint is looked up among these.
// More calls add more schemas.
func WithSchemas(schemas ...string) DeserializerOption {
	return DeserializerOption{func(s *source) error {
		for i, text := range schemas {
			parsed, err := avsc.Parse(fmt.Sprintf("schema %d", i+1), []byte(text))
			if err != nil {
				return fmt.Errorf("serde: WithSchemas: %w", err)
			}
			if s.known == nil {
				s.known = make(map[uint64]*avsc.Schema)
			}
			s.known[parsed.Fingerprint()] = parsed
		}
		return nil
	}}
}

// InContext reads ids as those of a context of Confluent's registry, by its name
// with the dot: ".staging". By default they are those of the default context.
// (A writer chooses the context by its subject: ":.staging:orders-value".)
func InContext(name string) DeserializerOption {
	return DeserializerOption{func(s *source) error {
		if !strings.HasPrefix(name, ".") || strings.Contains(name, ":") {
			return fmt.Errorf("serde: InContext(%q): the name of a context begins with a dot and has no colon", name)
		}
		s.subject = ":" + name + ":"
		return nil
	}}
}

// ApicurioHeaders lets the headers of Apicurio's serializers be read besides:
// apicurio.value.contentId or, where it is absent, apicurio.value.globalId
// (apicurio.key.… for keys), each an int64. The number is asked of the registry
// as a schema's id, so the registry's Confluent API must number schemas by it
// (contentId is Apicurio's default).
func ApicurioHeaders() DeserializerOption {
	return DeserializerOption{func(s *source) error { s.apicurioHeaders = true; return nil }}
}

// ApicurioPrefix reads a prefix of a zero byte and an int64, as older serializers
// of Apicurio write, in place of the Confluent prefix: bytes cannot tell them
// apart.
func ApicurioPrefix() DeserializerOption {
	return DeserializerOption{func(s *source) error { s.apicurioPrefix = true; return nil }}
}

// source finds the writer's schema of a message.
type source struct {
	reg             Registry
	subject         string // says the context, empty for the default one
	alias           bool
	apicurioHeaders bool
	apicurioPrefix  bool
	known           map[uint64]*avsc.Schema // by fingerprint, for single objects
}

func newSource(reg Registry, opts []DeserializerOption) (*source, error) {
	s := &source{reg: reg}
	for _, o := range opts {
		if o.apply == nil {
			return nil, errors.New("serde: a zero DeserializerOption: use the functions that make one")
		}
		if err := o.apply(s); err != nil {
			return nil, err
		}
	}
	if reg == nil && s.known == nil {
		return nil, errors.New("serde: the registry is nil, and no schema is given by WithSchemas")
	}
	return s, nil
}

// schema finds the schema of an id.
func (s *source) schema(ctx context.Context, id wireID) (*avsc.Schema, error) {
	if id.kind == fingerprint {
		if known, ok := s.known[id.lo]; ok {
			return known, nil
		}
		return nil, fmt.Errorf("%w: fingerprint %016x is none of WithSchemas", ErrUnknownSchema, id.lo)
	}
	op := "schema of " + id.String()
	if s.reg == nil {
		return nil, fmt.Errorf("serde: %s: this deserializer has no registry", op)
	}
	var v contract.Version
	var err error
	switch {
	case id.kind == schemaGUID:
		v, err = s.reg.SchemaByGUID(ctx, id.guid())
	case id.lo > math.MaxInt32:
		return nil, fmt.Errorf("%w: %s: registries number up to %d", ErrUnknownSchema, id, math.MaxInt32)
	default:
		v, err = s.reg.SchemaByID(ctx, s.subject, int(id.lo))
	}
	if err != nil {
		return nil, &RegistryError{op, err}
	}
	parsed, err := avsc.ParseStored(id.String(), []byte(v.Schema))
	if err != nil {
		return nil, &RegistryError{op, fmt.Errorf("the answer is not an Avro schema: %w", err)}
	}
	return parsed, nil
}

// describe adds where a message came from to an error about its schema.
func (s *source) describe(in *Input, err error) error {
	if in.Topic == "" {
		return err
	}
	return fmt.Errorf("%w (%s of topic %s)", err, in.Part, in.Topic)
}
