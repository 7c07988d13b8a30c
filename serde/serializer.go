package serde

import (
	"context"
	"errors"
	"sync"

	"github.com/avroline/avroline/serde/avrobin"
)

// Serializer makes bindings. It is safe for concurrent use and holds nothing
// that needs closing.
type Serializer struct {
	reg      Registry
	defaults config

	mu       sync.RWMutex
	bindings map[place]*Binding // for Append
}

// place is what [Serializer.Append] is called with.
type place struct {
	topic string
	part  Part
}

// maxBindings bounds what Serializer.Append remembers; a caller who writes to
// more topics than that holds bindings.
const maxBindings = 1 << 16

// NewSerializer makes a Serializer that asks reg. It does no I/O. A nil registry,
// options that exclude each other and [UseID] are errors.
func NewSerializer(reg Registry, opts ...Option) (*Serializer, error) {
	if reg == nil {
		return nil, errors.New("serde: NewSerializer: the registry is nil")
	}
	c := config{subject: TopicName}.with(opts)
	if c.err != nil {
		return nil, c.err
	}
	if c.mode == useID {
		return nil, errors.New("serde: NewSerializer: UseID is an option of one binding: give it to For")
	}
	if err := supports(reg, c); err != nil {
		return nil, err
	}
	return &Serializer{reg: reg, defaults: c}, nil
}

// supports checks that reg can do what c asks for.
func supports(reg Registry, c config) error {
	if _, ok := reg.(MetadataRegistry); !ok && c.mode == useLatestWithMetadata {
		return errors.New("serde: UseLatestWithMetadata: this registry client cannot look up by metadata")
	}
	return nil
}

// For binds a topic and a part; opts change the Serializer's own. One Binding
// serves every record type of that topic and part. Make it once and keep it:
// its memory of the schemas is what makes it fast. For does no I/O; options that
// cannot be are the error of every call of the Binding.
func (s *Serializer) For(topic string, part Part, opts ...Option) *Binding {
	c := s.defaults.with(opts)
	if c.err == nil {
		c.err = supports(s.reg, c)
	}
	return &Binding{reg: s.reg, topic: topic, part: part, config: c, asked: c.inHeader || c.err != nil}
}

// Append is For(topic, part).Append with a look-up of the binding in each call,
// for those who do not know their topics beforehand. The headers are the ones to
// send with the message: none while the id is in the prefix.
func (s *Serializer) Append(ctx context.Context, dst []byte, topic string, part Part, r avrobin.Record) ([]byte, []Header, error) {
	b := s.binding(topic, part)
	out, err := b.Append(ctx, dst, r)
	if err != nil {
		return out, nil, err
	}
	h, ok, err := b.Header(ctx, r)
	if err != nil || !ok {
		return out, nil, err
	}
	return out, []Header{h}, nil
}

func (s *Serializer) binding(topic string, part Part) *Binding {
	key := place{topic, part}
	s.mu.RLock()
	b := s.bindings[key]
	s.mu.RUnlock()
	if b != nil {
		return b
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.bindings[key]; b != nil {
		return b
	}
	if s.bindings == nil || len(s.bindings) == maxBindings {
		s.bindings = make(map[place]*Binding)
	}
	b = s.For(topic, part)
	s.bindings[key] = b
	return b
}
