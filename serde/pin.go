package serde

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
)

// pinOption is [UseLatest] or [UseLatestWithMetadata].
type pinOption struct {
	mode       mode
	properties map[string]string
}

func (o pinOption) applyToSerializer(c *config) {
	c.setMode(o.mode)
	c.metadata = o.properties
	if err := o.check(); err != nil {
		c.fail(err)
	}
}

func (o pinOption) applyToDeserializer(s *source) error {
	if s.pin != nil && !s.pin.settings && s.pin.mode != o.mode {
		return fmt.Errorf("serde: %s and %s exclude each other", s.pin.mode, o.mode)
	}
	s.pin = &pin{pinOption: o}
	return o.check()
}

func (o pinOption) check() error {
	if o.mode == useLatestWithMetadata && len(o.properties) == 0 {
		return errors.New("serde: UseLatestWithMetadata: there is no property: use UseLatest")
	}
	return nil
}

// UseLatest selects the newest version of the subject.
//
// A serializer writes the id of this version. The version must give bytes the
// same meaning as the record's own schema: the same structure and the same
// logical types with their parameters. Docs, defaults and aliases may differ.
// If the version is a union with the record's schema as a branch, the record is
// written as this branch. Otherwise the error is [ErrSchemaChanged].
//
// A deserializer reads every message as this version. If the message has
// another version, the migration rules of the versions in between change the
// message. Without such rules, the message is resolved as Avro resolves an
// older schema. The READ rules are those of the newest version. A generated
// type then receives the result, also if its own schema differs. The subject
// must be known, so give [Input].Topic.
//
// A binding asks for the newest version once per schema, and a deserializer
// asks once per subject. A later version does not stop a running program.
func UseLatest() CommonOption { return pinOption{mode: useLatest} }

// UseLatestWithMetadata is like [UseLatest], but only for versions whose
// metadata has all given properties, such as a major version. The registry must
// be a [MetadataFinder]. An empty map is an error.
func UseLatestWithMetadata(properties map[string]string) CommonOption {
	return pinOption{useLatestWithMetadata, maps.Clone(properties)}
}

// pin is the version that a deserializer reads messages as. The version is
// found once per subject.
type pin struct {
	pinOption
	settings bool     // made by a settings file, so an option in Go replaces the pin
	versions sync.Map // subject → writerSchema
}

// version returns the pinned version of a subject. An error is not stored.
func (p *pin) version(ctx context.Context, reg Registry, subject string) (writerSchema, error) {
	if v, ok := p.versions.Load(subject); ok {
		return v.(writerSchema), nil
	}
	var v contract.Version
	var err error
	op := "latest version of subject " + subject
	if p.mode == useLatest {
		v, err = reg.Latest(ctx, subject)
	} else {
		op = fmt.Sprintf("%s with metadata %v", op, p.properties)
		v, err = reg.(MetadataFinder).LatestWithMetadata(ctx, subject, p.properties)
	}
	if err != nil {
		return writerSchema{}, &RegistryError{op, err}
	}
	parsed, err := avsc.ParseStored(subject, []byte(v.Schema))
	if err != nil {
		return writerSchema{}, &RegistryError{op, fmt.Errorf("the answer is not an Avro schema: %w", err)}
	}
	kept, _ := p.versions.LoadOrStore(subject, writerSchema{parsed, v})
	return kept.(writerSchema), nil
}

// readers holds the readers of writer schemas. A deserializer that is pinned to
// a version has a reader per topic, because the version depends on the subject.
type readers[V any] struct {
	byID    cache[schemaID, V]
	byTopic cache[topicSchema, V]
}

type topicSchema struct {
	id schemaID
	destination
}

// find returns the reader for a message, or nil if there is none yet.
func (r *readers[V]) find(s *source, in *Input, id schemaID) *V {
	if s.pin != nil {
		return r.byTopic.find(topicSchema{id, destination{in.Topic, in.Part}})
	}
	return r.byID.find(id)
}

// fill makes the reader for a message with load.
func (r *readers[V]) fill(ctx context.Context, s *source, in *Input, id schemaID, load func(*unpacker) (*V, error)) (*V, error) {
	if s.pin != nil {
		return r.fillPinned(ctx, s, in, id, load)
	}
	return r.byID.fill(ctx, id, func(ctx context.Context, id schemaID) (*V, error) {
		writer, err := s.schemaHooked(ctx, in, id)
		if err != nil {
			return nil, err
		}
		return planHooked(ctx, s, in, id, writer, func() (*V, error) { return load(newUnpacker(s, id, writer)) })
	})
}

func (r *readers[V]) fillPinned(ctx context.Context, s *source, in *Input, id schemaID, load func(*unpacker) (*V, error)) (*V, error) {
	key := topicSchema{id, destination{in.Topic, in.Part}}
	return r.byTopic.fill(ctx, key, func(ctx context.Context, _ topicSchema) (*V, error) {
		writer, err := s.schemaHooked(ctx, in, id)
		if err != nil {
			return nil, err
		}
		return planHooked(ctx, s, in, id, writer, func() (*V, error) {
			u := newUnpacker(s, id, writer)
			if err := u.migrate(ctx, in); err != nil {
				return nil, err
			}
			return load(u)
		})
	})
}
