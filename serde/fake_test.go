package serde_test

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
)

// fakeRegistry is a registry in memory that counts its requests.
type fakeRegistry struct {
	mu       sync.Mutex
	schemas  []string            // by id
	subjects map[string][]string // versions
	metadata map[string]map[string]string
	calls    map[string]int

	rules      map[string]*contract.RuleSet // by subject
	contracts  map[string]*contract.Metadata
	associated map[[3]string][]string // by topic, cluster and part

	// hold, if not nil, makes calls wait until hold is closed or ctx ends.
	hold    chan struct{}
	entered chan struct{} // gets a value for each waiting call
	fail    error         // the answer to every call
}

var errNotFound = notFoundError{}

type notFoundError struct{}

func (notFoundError) Error() string  { return "no such thing" }
func (notFoundError) NotFound() bool { return true }

func newFake() *fakeRegistry {
	return &fakeRegistry{
		subjects: map[string][]string{}, rules: map[string]*contract.RuleSet{}, metadata: map[string]map[string]string{}, calls: map[string]int{},
		entered: make(chan struct{}, 1000),
	}
}

func (f *fakeRegistry) enter(ctx context.Context, call string) error {
	f.mu.Lock()
	f.calls[call]++
	hold, fail := f.hold, f.fail
	f.mu.Unlock()
	if hold != nil {
		f.entered <- struct{}{}
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fail
}

func (f *fakeRegistry) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		n += c
	}
	return n
}

func guidOf(schema string) uuid.UUID { return uuid.UUID(md5.Sum([]byte(schema))) }

// put registers a schema without counting, and returns the id.
func (f *fakeRegistry) put(subject, schema string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := -1
	for i, s := range f.schemas {
		if s == schema {
			id = i
		}
	}
	if id < 0 {
		id = len(f.schemas)
		f.schemas = append(f.schemas, schema)
	}
	for _, s := range f.subjects[subject] {
		if s == schema {
			return id
		}
	}
	f.subjects[subject] = append(f.subjects[subject], schema)
	return id
}

// version returns the version of a schema on a subject.
func (f *fakeRegistry) version(subject, schema string) contract.Version {
	return contract.Version{Subject: subject, ID: f.id(schema), GUID: guidOf(schema), Schema: schema, RuleSet: f.rules[subject], Metadata: f.contracts[subject]}
}

func (f *fakeRegistry) Register(ctx context.Context, subject string, s contract.Schema) (contract.Version, error) {
	if err := f.enter(ctx, fmt.Sprintf("register %s %v", subject, s.Normalize)); err != nil {
		return contract.Version{}, err
	}
	id := f.put(subject, s.Text)
	return contract.Version{ID: id, GUID: guidOf(s.Text)}, nil
}

func (f *fakeRegistry) Lookup(ctx context.Context, subject string, s contract.Schema) (contract.Version, error) {
	if err := f.enter(ctx, fmt.Sprintf("lookup %s %v", subject, s.Normalize)); err != nil {
		return contract.Version{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range f.subjects[subject] {
		if text == s.Text {
			return contract.Version{ID: f.id(text), GUID: guidOf(text)}, nil
		}
	}
	return contract.Version{}, errNotFound
}

func (f *fakeRegistry) id(schema string) int {
	for i, s := range f.schemas {
		if s == schema {
			return i
		}
	}
	return -1
}

func (f *fakeRegistry) Latest(ctx context.Context, subject string) (contract.Version, error) {
	if err := f.enter(ctx, "latest "+subject); err != nil {
		return contract.Version{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.subjects[subject]
	if len(v) == 0 {
		return contract.Version{}, errNotFound
	}
	return f.version(subject, v[len(v)-1]), nil
}

func (f *fakeRegistry) SchemaByID(ctx context.Context, _ string, id int) (contract.Version, error) {
	if err := f.enter(ctx, fmt.Sprintf("id %d", id)); err != nil {
		return contract.Version{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if id < 0 || id >= len(f.schemas) {
		return contract.Version{}, errNotFound
	}
	return f.byText(f.schemas[id]), nil
}

func (f *fakeRegistry) SchemaByGUID(ctx context.Context, guid uuid.UUID) (contract.Version, error) {
	if err := f.enter(ctx, "guid "+guid.String()); err != nil {
		return contract.Version{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.schemas {
		if guidOf(s) == guid {
			return f.byText(s), nil
		}
	}
	return contract.Version{}, errNotFound
}

// byText returns the schema with the rules of a subject that has the schema.
func (f *fakeRegistry) byText(schema string) contract.Version {
	for subject, versions := range f.subjects {
		if slices.Contains(versions, schema) && f.rules[subject] != nil {
			return f.version(subject, schema)
		}
	}
	return contract.Version{ID: f.id(schema), Schema: schema}
}

// fullRegistry is a fakeRegistry with all optional methods.
type fullRegistry struct{ *fakeRegistry }

func (f fullRegistry) FindVersion(ctx context.Context, subject, schema string) (contract.Version, error) {
	if err := f.enter(ctx, "find "+subject); err != nil {
		return contract.Version{}, err
	}
	own, err := avsc.Parse("own", []byte(schema))
	if err != nil {
		return contract.Version{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range slices.Backward(f.subjects[subject]) {
		if s, err := avsc.Parse("version", []byte(text)); err == nil && avsc.SameMeaning(own, s) {
			return f.version(subject, text), nil
		}
	}
	return contract.Version{}, errNotFound
}

func (f fullRegistry) LatestWithMetadata(ctx context.Context, subject string, want map[string]string) (contract.Version, error) {
	if err := f.enter(ctx, "metadata "+subject); err != nil {
		return contract.Version{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
next:
	for _, s := range slices.Backward(f.subjects[subject]) {
		for k, v := range want {
			if f.metadata[s][k] != v {
				continue next
			}
		}
		return f.version(subject, s), nil
	}
	return contract.Version{}, errNotFound
}

func (f fullRegistry) AssociatedSubjects(ctx context.Context, topic, clusterID, part string) ([]string, error) {
	if err := f.enter(ctx, "associated "+topic); err != nil {
		return nil, err
	}
	return f.associated[[3]string{topic, clusterID, part}], nil
}

// orderSchema is the schema of order, a record like a generated type.
const orderSchema = `{"type":"record","name":"shop.Order","doc":"An order.","fields":[{"name":"id","type":"string"},{"name":"cents","type":"long","default":7}]}`

type order struct {
	ID    string
	Cents int64
}

var errBadOrder = errors.New("id: bad")

func (*order) AvroName() string   { return "shop.Order" }
func (*order) AvroSchema() string { return orderSchema }

func (o *order) AppendAvro(dst []byte) ([]byte, error) {
	if o.ID == "bad" {
		return append(dst, "half"...), errBadOrder
	}
	dst = binary.AppendVarint(dst, int64(len(o.ID)))
	dst = append(dst, o.ID...)
	return binary.AppendVarint(dst, o.Cents), nil
}

// payload is a record whose schema is a text at run time.
type payload struct {
	name, schema string
	data         []byte
}

func (p *payload) AvroName() string                      { return p.name }
func (p *payload) AvroSchema() string                    { return p.schema }
func (p *payload) AppendAvro(dst []byte) ([]byte, error) { return append(dst, p.data...), nil }

// avroBytes returns the Avro encoding of bytes.
func avroBytes(data []byte) []byte {
	return append(binary.AppendVarint(nil, int64(len(data))), data...)
}
