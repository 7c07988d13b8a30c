package serde

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/avroline/avroline/serde/avrobin"
)

// Serializer makes bindings. It is safe for concurrent use and needs no
// closing.
type Serializer struct {
	reg      Registry
	defaults config

	mu       sync.RWMutex
	bindings map[destination]*Binding // made by Append
}

// destination is the topic and the part of a call of [Serializer.Append].
type destination struct {
	topic string
	part  Part
}

// maxBindings is the number of bindings that Serializer.Append keeps. A program
// that writes to more topics should keep its own bindings.
const maxBindings = 1 << 16

// NewSerializer returns a Serializer that looks up schemas in reg.
// NewSerializer does no I/O. It returns an error in four cases: reg is nil,
// options exclude each other, an option needs a method that reg does not have,
// or an option is [UseID].
func NewSerializer(reg Registry, opts ...Option) (*Serializer, error) {
	if isNilRegistry(reg) {
		return nil, errors.New("serde: NewSerializer: the registry is nil")
	}
	c := config{}.with(opts)
	if c.err != nil {
		return nil, c.err
	}
	if c.mode == useID {
		return nil, errors.New("serde: NewSerializer: UseID is an option of one binding: give it to For")
	}
	if err := c.check(reg); err != nil {
		return nil, err
	}
	return &Serializer{reg: reg, defaults: c}, nil
}

// check returns an error if reg lacks a method that c needs.
func (c *config) check(reg Registry) error {
	if _, ok := reg.(MetadataFinder); !ok && c.mode == useLatestWithMetadata {
		return fmt.Errorf("serde: UseLatestWithMetadata: %T cannot look up by metadata: it is no MetadataFinder", reg)
	}
	return c.common.check(reg)
}

func (c *common) check(reg Registry) error {
	if _, ok := reg.(AssociationFinder); !ok && (c.subjects[Value].associated || c.subjects[Key].associated) {
		return fmt.Errorf("serde: WithAssociatedSubject: %T knows no associations: it is no AssociationFinder", reg)
	}
	return nil
}

// For returns a binding for a topic and a part. opts override the Serializer's
// own options. One Binding serves every record type of the topic and part. Make
// the Binding once and keep it, because the Binding remembers the schemas. For
// does no I/O. If an option is wrong, every call of the Binding returns the
// error.
func (s *Serializer) For(topic string, part Part, opts ...Option) *Binding {
	c := s.defaults.with(opts)
	if c.valueID != nil && part == Value {
		c.mode, c.id = useID, *c.valueID
	}
	if c.err == nil {
		c.err = c.check(s.reg)
	}
	return &Binding{reg: s.reg, topic: topic, part: part, config: c, hasHeader: c.inHeader[part] || c.err != nil}
}

// Append is like [Binding.Append], for a program that does not know its topics
// in advance. Append looks up the binding in each call. The caller must send
// the returned headers with the message. There are no headers if the id is in
// the prefix.
func (s *Serializer) Append(ctx context.Context, dst []byte, topic string, part Part, r avrobin.Record) ([]byte, []Header, error) {
	b := s.binding(topic, part)
	out, err := b.Append(ctx, dst, r)
	if err != nil {
		return out, nil, err
	}
	h, ok, err := b.Header(ctx, r)
	if err != nil {
		return dst, nil, err
	}
	if !ok {
		return out, nil, nil
	}
	return out, []Header{h}, nil
}

func (s *Serializer) binding(topic string, part Part) *Binding {
	key := destination{topic, part}
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
		s.bindings = make(map[destination]*Binding)
	}
	b = s.For(topic, part)
	s.bindings[key] = b
	return b
}
