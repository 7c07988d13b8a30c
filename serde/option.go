package serde

import (
	"fmt"
	"math"
)

// Option sets how a [Serializer] finds schemas and where the schema ids are
// written. The options of [NewSerializer] are the defaults of all bindings. The
// options of [Serializer.For] override the defaults for one binding. A nil
// Option does nothing.
//
// The id of a schema is found in one of five ways: [AutoRegister] (the
// default), [LookupOnly], [UseLatest], [UseLatestWithMetadata] and [UseID]. A
// call with two of these options is an error.
type Option interface{ applyToSerializer(c *config) }

// DeserializerOption sets what a [Deserializer], a [Mux] or a
// [GenericDeserializer] reads. A nil DeserializerOption does nothing.
type DeserializerOption interface{ applyToDeserializer(s *source) error }

// CommonOption is an option of serializers and of deserializers.
type CommonOption interface {
	Option
	DeserializerOption
}

type serializerOption func(*config)

func (o serializerOption) applyToSerializer(c *config) { o(c) }

type deserializerOption func(*source) error

func (o deserializerOption) applyToDeserializer(s *source) error { return o(s) }

// commonOption is an option for the settings that both sides have.
type commonOption func(*common) error

func (o commonOption) applyToSerializer(c *config) {
	if err := o(&c.common); err != nil {
		c.fail(err)
	}
}

func (o commonOption) applyToDeserializer(s *source) error { return o(&s.common) }

// mode is a way to find the id of a schema.
type mode uint8

const (
	autoRegister mode = iota
	lookupOnly
	useLatest
	useLatestWithMetadata
	useID
)

func (m mode) String() string {
	return [...]string{"AutoRegister", "LookupOnly", "UseLatest", "UseLatestWithMetadata", "UseID"}[m]
}

// config is the settings of a Serializer or of one Binding.
type config struct {
	common
	normalize bool
	inHeader  [2]bool // by Part
	mode      mode
	modeSet   bool // an option of this call has set mode
	metadata  map[string]string
	id        int
	valueID   *int // use.schema.id of a settings file, for bindings of values

	err error // the error of the first wrong option
}

// common is the settings that serializers and deserializers share.
type common struct {
	subjects    [2]subjectStrategy      // by Part
	executors   map[string]RuleExecutor // by rule type
	actions     map[string]RuleAction   // by name in upper case
	ignoreRules bool
	hooks       hooks
}

func (c *config) setMode(m mode) {
	if c.modeSet && c.mode != m {
		c.fail(fmt.Errorf("serde: %s and %s exclude each other", c.mode, m))
		return
	}
	c.mode, c.modeSet, c.valueID = m, true, nil
}

func (c *config) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// with returns c changed by opts.
func (c config) with(opts []Option) config {
	c.modeSet = false
	for _, o := range opts {
		if o != nil {
			o.applyToSerializer(&c)
		}
	}
	return c
}

// AutoRegister registers the schema of a record on its subject at the first
// use. A schema that the subject already has stays unchanged. If the subject's
// latest version has other rules for the record, AutoRegister registers the
// schema again with the latest metadata and rules. AutoRegister is the default.
// As an option of [Serializer.For], AutoRegister overrides the Serializer's
// mode.
func AutoRegister() Option { return serializerOption(func(c *config) { c.setMode(autoRegister) }) }

// LookupOnly never registers a schema. If the subject does not have a record's
// schema, the error is [ErrUnknownSchema]. The error is repeated for a second
// before the registry is asked again. Use LookupOnly if a deployment step
// registers the schemas. With a [VersionFinder], LookupOnly also finds a
// version with the same meaning but another text, such as a schema that was
// registered with references. If the subject's latest version has the same
// meaning and other rules, LookupOnly uses the latest version.
func LookupOnly() Option { return serializerOption(func(c *config) { c.setMode(lookupOnly) }) }

// UseID writes the given schema id. The schema of the id must have the same
// meaning as the record's own schema, as for [UseLatest]. Only [Serializer.For]
// accepts UseID, because one id cannot belong to every topic. With UseID, the
// subject function may return an empty name.
func UseID(id int) Option {
	return serializerOption(func(c *config) {
		c.setMode(useID)
		c.id = id
		if id < 0 || id > math.MaxInt32 {
			c.fail(fmt.Errorf("serde: UseID(%d): an id is between 0 and %d", id, math.MaxInt32))
		}
	})
}

// Normalize makes the registry compare and register schemas in its normal form
// (normalize=true). Normalize works with [AutoRegister] and [LookupOnly], and
// has no effect with the other modes.
func Normalize() Option { return serializerOption(func(c *config) { c.normalize = true }) }

// IDInHeader writes the schema's GUID into a header and the bare record into
// the payload. See [Binding.Header]. The registry must know GUIDs.
func IDInHeader() Option {
	return serializerOption(func(c *config) { c.inHeader = [2]bool{true, true} })
}

// IDInPrefix writes the schema id before the record. IDInPrefix is the default.
// As an option of [Serializer.For], IDInPrefix overrides the Serializer's
// IDInHeader.
func IDInPrefix() Option { return serializerOption(func(c *config) { c.inHeader = [2]bool{} }) }
