package serde

import (
	"errors"
	"fmt"
	"maps"
	"math"
)

// Option sets how schemas are found and where their id goes. Options of
// [NewSerializer] are the defaults of its bindings; [Serializer.For] takes the
// same ones again, and there they win.
//
// How a schema's id is found is one choice of five: [AutoRegister] (the
// default), [LookupOnly], [UseLatest], [UseLatestWithMetadata], [UseID]. Two of
// them in one call are an error.
type Option struct{ apply func(*config) }

// mode is how a schema's id is found.
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

type config struct {
	subject   SubjectFunc
	normalize bool
	inHeader  bool
	mode      mode
	modeSet   bool // in this call
	metadata  map[string]string
	id        int

	err error // the first option that cannot be
}

func (c *config) setMode(m mode) {
	if c.modeSet && c.mode != m {
		c.fail(fmt.Errorf("serde: %s and %s exclude each other", c.mode, m))
		return
	}
	c.mode, c.modeSet = m, true
}

func (c *config) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// with is c changed by opts.
func (c config) with(opts []Option) config {
	c.modeSet = false
	for _, o := range opts {
		if o.apply == nil {
			c.fail(errors.New("serde: a zero Option: use the functions that make one"))
			continue
		}
		o.apply(&c)
	}
	return c
}

// WithSubject sets the subject strategy: [TopicName] (the default), [RecordName],
// [TopicRecordName] or a function of your own. Nil is an error.
func WithSubject(f SubjectFunc) Option {
	return Option{func(c *config) {
		if f == nil {
			c.fail(errors.New("serde: WithSubject: the function is nil"))
			return
		}
		c.subject = f
	}}
}

// AutoRegister registers a record's schema on its subject at first use, which
// does nothing where it is registered already. It is the default; as an option
// it takes back another choice of the Serializer's.
func AutoRegister() Option { return Option{func(c *config) { c.setMode(autoRegister) }} }

// LookupOnly registers nothing: a record whose schema is not on its subject is an
// error, ErrUnknownSchema. For production, where schemas are registered by the
// deployment. With a registry that is a [VersionRegistry] it also finds a
// version that is the same schema (by its canonical form) in another text, for
// instance one registered in parts through references.
func LookupOnly() Option { return Option{func(c *config) { c.setMode(lookupOnly) }} }

// UseLatest writes the id of the subject's newest version, which must be the
// record's own schema by its canonical form (docs, defaults, aliases and
// logical types may differ), or a union that has the record's schema as a
// branch; then the record is written as that branch. Else it is
// ErrSchemaChanged. The newest is asked for once per binding and schema, so a
// version registered later does not stop a running writer.
func UseLatest() Option { return Option{func(c *config) { c.setMode(useLatest) }} }

// UseLatestWithMetadata is [UseLatest] among the versions whose metadata has all
// these properties. The registry must be a [MetadataRegistry].
func UseLatestWithMetadata(metadata map[string]string) Option {
	metadata = maps.Clone(metadata)
	return Option{func(c *config) {
		c.setMode(useLatestWithMetadata)
		c.metadata = metadata
		if len(metadata) == 0 {
			c.fail(errors.New("serde: UseLatestWithMetadata: no property: use UseLatest"))
		}
	}}
}

// UseID writes this id, whose schema must be the record's own as for [UseLatest].
// It is for one binding, never a Serializer's: one id cannot be every topic's. Here
// a subject function may answer an empty name.
func UseID(id int) Option {
	return Option{func(c *config) {
		c.setMode(useID)
		c.id = id
		if id < 0 || id > math.MaxInt32 {
			c.fail(fmt.Errorf("serde: UseID(%d): an id is between 0 and %d", id, math.MaxInt32))
		}
	}}
}

// Normalize has the registry compare and register schemas in its normal form
// (normalize=true). It works with AutoRegister and LookupOnly and has no effect
// on the others.
func Normalize() Option { return Option{func(c *config) { c.normalize = true }} }

// IDInHeader writes the schema's GUID into a header and the bare record into the
// payload; see [Binding.Header]. The registry must know GUIDs.
func IDInHeader() Option { return Option{func(c *config) { c.inHeader = true }} }

// IDInPrefix writes the schema's id before the record. It is the default; as an
// option it takes back the Serializer's IDInHeader.
func IDInPrefix() Option { return Option{func(c *config) { c.inHeader = false }} }
