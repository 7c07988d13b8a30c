package serde

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde/avrobin"
)

// AliasInput lets the strings and bytes of a decoded value share memory with
// Input.Data. The caller must then not change Input.Data while the value is in
// use. By default, all strings and bytes share one copy of the data. A message
// of another version of the schema is always copied.
func AliasInput() DeserializerOption {
	return deserializerOption(func(s *source) error { s.alias = true; return nil })
}

// WithSchemas makes the Deserializer also read Avro's single-object encoding
// ("Single-object encoding" in the specification). The Deserializer looks up a
// message's fingerprint among these schemas. More calls add more schemas. Like
// every writer schema, a schema may have names that the specification refuses.
// A fingerprint does not cover logical types. If two schemas have the same
// fingerprint and different logical types, the error names the difference,
// because a message does not say which of the two wrote it.
func WithSchemas(schemas ...string) DeserializerOption {
	return deserializerOption(func(s *source) error {
		for i, text := range schemas {
			parsed, err := avsc.ParseStored(fmt.Sprintf("schema %d", i+1), []byte(text))
			if err != nil {
				return fmt.Errorf("serde: WithSchemas: %w", err)
			}
			if s.known == nil {
				s.known = make(map[uint64]*avsc.Schema)
			}
			fingerprint := parsed.Fingerprint()
			if other := s.known[fingerprint]; other != nil {
				if d := avsc.Compare(other, parsed); d != nil {
					return fmt.Errorf("serde: WithSchemas: schema %d has the fingerprint %016x of an earlier schema, and another logical type: %s: give one of the two", i+1, fingerprint, d)
				}
			}
			s.known[fingerprint] = parsed
		}
		return nil
	})
}

// WithRegistryContext reads ids as ids of a context of Confluent's registry.
// The name begins with a dot: ".staging". By default the ids belong to the
// default context. A writer selects the context by its subject,
// ":.staging:orders-value".
func WithRegistryContext(name string) DeserializerOption {
	return deserializerOption(func(s *source) error {
		if !strings.HasPrefix(name, ".") || strings.Contains(name, ":") {
			return fmt.Errorf("serde: WithRegistryContext(%q): the name of a context begins with a dot and has no colon", name)
		}
		s.context = ":" + name + ":"
		return nil
	})
}

// ApicurioHeaders makes the Deserializer also read the headers of Apicurio's
// serializers. For values, the header is apicurio.value.contentId or, if that
// is absent, apicurio.value.globalId. For keys, the headers are apicurio.key.….
// The Deserializer looks up the number as a schema id. So the registry's
// Confluent API must use the same kind of id. contentId is Apicurio's default.
func ApicurioHeaders() DeserializerOption {
	return deserializerOption(func(s *source) error { s.apicurioHeaders = true; return nil })
}

// ApicurioPrefix reads a prefix of a zero byte and an int64, which older
// serializers of Apicurio write. The Deserializer then cannot read the
// Confluent prefix, because the bytes of the two prefixes look alike.
func ApicurioPrefix() DeserializerOption {
	return deserializerOption(func(s *source) error { s.apicurioPrefix = true; return nil })
}

// WithMemoryLimit bounds the memory that one message may use beyond its own
// values. In a message of an older schema, the Deserializer adds the newer
// fields of the reader's type, and a short message may hold many such records.
// The limit is added bytes, plus perByte bytes for each byte of the message.
// The defaults are 64 MiB and 64, and zero means the default. For a message
// that needs more, the error is a [*DecodeError] with [avrobin.ErrUnreadable].
// A negative number is an error.
func WithMemoryLimit(added, perByte int) DeserializerOption {
	return deserializerOption(func(s *source) error {
		if added < 0 || perByte < 0 {
			return fmt.Errorf("serde: WithMemoryLimit(%d, %d): a limit must not be negative", added, perByte)
		}
		s.added, s.addedPerByte = added, perByte
		return nil
	})
}

// source finds the writer schemas of messages.
type source struct {
	common
	pin             *pin     // the version to read as; nil for the writer's
	reg             Registry // nil if known has every schema
	context         string   // the context of the ids, as a subject's prefix; "" is the default context
	alias           bool
	apicurioHeaders bool
	apicurioPrefix  bool
	added           int // memory limit; see WithMemoryLimit
	addedPerByte    int
	known           map[uint64]*avsc.Schema // by fingerprint, for single objects
}

func newSource(reg Registry, opts []DeserializerOption) (*source, error) {
	s := &source{}
	if !isNilRegistry(reg) {
		s.reg = reg
	}
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o.applyToDeserializer(s); err != nil {
			return nil, err
		}
	}
	if s.reg == nil && s.known == nil {
		return nil, errors.New("serde: the registry is nil, and there are no schemas of WithSchemas")
	}
	if _, ok := s.reg.(MetadataFinder); !ok && s.pin != nil && s.pin.mode == useLatestWithMetadata {
		return nil, fmt.Errorf("serde: UseLatestWithMetadata: %T cannot look up by metadata: it is no MetadataFinder", s.reg)
	}
	return s, s.common.check(s.reg)
}

// writerSchema is the schema with which a message was written.
type writerSchema struct {
	*avsc.Schema
	version contract.Version // zero for a schema of WithSchemas
}

// schema returns the schema of an id.
func (s *source) schema(ctx context.Context, id schemaID) (writerSchema, error) {
	if id.kind == fingerprint {
		if known, ok := s.known[id.lo]; ok {
			return writerSchema{Schema: known}, nil
		}
		return writerSchema{}, fmt.Errorf("%w: fingerprint %016x is none of WithSchemas", ErrUnknownSchema, id.lo)
	}
	op := "schema of " + id.String()
	if s.reg == nil {
		return writerSchema{}, fmt.Errorf("serde: %s: this deserializer has no registry", op)
	}
	var v contract.Version
	var err error
	switch {
	case id.kind == schemaGUID:
		v, err = s.reg.SchemaByGUID(ctx, id.guid())
	case id.lo > math.MaxInt32:
		return writerSchema{}, fmt.Errorf("%w: %s: registries number schemas up to %d", ErrUnknownSchema, id, math.MaxInt32)
	default:
		v, err = s.reg.SchemaByID(ctx, s.context, int(id.lo))
	}
	if isNotAvro(err) {
		return writerSchema{}, &notAvroError{err}
	}
	if err != nil {
		return writerSchema{}, &RegistryError{op, err}
	}
	parsed, err := avsc.ParseStored(id.String(), []byte(v.Schema))
	if err != nil {
		return writerSchema{}, &RegistryError{op, fmt.Errorf("the answer is not an Avro schema: %w", err)}
	}
	return writerSchema{parsed, v}, nil
}

// limited returns p with the memory limit from the options.
func (s *source) limited(p *avrobin.Plan) *avrobin.Plan {
	if p == nil || s.added == 0 && s.addedPerByte == 0 {
		return p
	}
	return p.WithLimit(s.added, s.addedPerByte)
}

// describe adds the origin of the message to an error.
func (s *source) describe(in *Input, err error) error {
	if in.Topic == "" {
		return err
	}
	return fmt.Errorf("%w (%s of topic %s)", err, in.Part, in.Topic)
}

// schemaError returns the error of a message whose schema was not found.
func (s *source) schemaError(in *Input, id schemaID, err error) error {
	var other *notAvroError
	if errors.As(err, &other) {
		return s.newDecodeError(in, id, "", other.err)
	}
	if errors.Is(err, ErrUnknownSchema) {
		if why := s.otherFraming(in, id); why != "" {
			err = fmt.Errorf("%w: %s", err, why)
		}
	}
	return s.describe(in, err)
}
