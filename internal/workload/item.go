package workload

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// Item is the record of a workload: an id, and padding.
type Item struct {
	verify.ID
	Pad string
}

const itemSchema = `{"type":"record","name":"avroline.workload.Item","fields":[` +
	`{"name":"producer","type":"string"},{"name":"key","type":"string"},{"name":"seq","type":"long"},` +
	`{"name":"tx","type":"string"},{"name":"pad","type":"string"}]}`

// AvroName is part of avrobin.Record.
func (*Item) AvroName() string { return "avroline.workload.Item" }

// AvroSchema is part of avrobin.Record.
func (*Item) AvroSchema() string { return itemSchema }

// AppendAvro is part of avrobin.Record.
func (i *Item) AppendAvro(dst []byte) ([]byte, error) {
	text := func(s string) { dst = append(binary.AppendVarint(dst, int64(len(s))), s...) }
	text(i.Producer)
	text(i.Key)
	dst = binary.AppendVarint(dst, i.Seq)
	text(i.Tx)
	text(i.Pad)
	return dst, nil
}

// Decode returns a function that reads the id of a record. run is the prefix of
// the producer names of the workload. Records of another run give ok == false.
func Decode(run string) func(*kgo.Record) (verify.ID, bool, error) {
	return func(r *kgo.Record) (id verify.ID, ok bool, err error) {
		data := r.Value
		if len(data) < 5 || data[0] != 0 {
			return id, false, fmt.Errorf("value without a schema id: %x", data)
		}
		data = data[5:]
		number := func() int64 {
			n, w := binary.Varint(data)
			if w <= 0 {
				err = errors.New("cut short")
				return 0
			}
			data = data[w:]
			return n
		}
		text := func() string {
			n := number()
			if n < 0 || n > int64(len(data)) {
				err = errors.New("cut short")
				return ""
			}
			s := string(data[:n])
			data = data[n:]
			return s
		}
		id.Producer, id.Key = text(), text()
		id.Seq = number()
		id.Tx = text()
		return id, len(id.Producer) >= len(run) && id.Producer[:len(run)] == run, err
	}
}

// Registry is the part of a schema registry that a workload needs. The zero
// value is ready for use.
type Registry struct {
	mu  sync.Mutex
	ids map[string]int
}

var _ serde.Registry = (*Registry)(nil)

// Register is part of serde.Registry.
func (r *Registry) Register(_ context.Context, _ string, s contract.Schema) (contract.Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids == nil {
		r.ids = map[string]int{}
	}
	if r.ids[s.Text] == 0 {
		r.ids[s.Text] = len(r.ids) + 1
	}
	return contract.Version{ID: r.ids[s.Text], GUID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(s.Text)), Schema: s.Text, RuleSet: &contract.RuleSet{}}, nil
}

// Lookup is part of serde.Registry.
func (r *Registry) Lookup(ctx context.Context, subject string, s contract.Schema) (contract.Version, error) {
	return r.Register(ctx, subject, s)
}

var errNotThere = errors.New("not in the workload's registry")

// Latest is part of serde.Registry.
func (*Registry) Latest(context.Context, string) (contract.Version, error) {
	return contract.Version{}, errNotThere
}

// SchemaByID is part of serde.Registry.
func (r *Registry) SchemaByID(_ context.Context, _ string, id int) (contract.Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for schema, known := range r.ids {
		if known == id {
			return contract.Version{ID: id, Schema: schema}, nil
		}
	}
	return contract.Version{}, errNotThere
}

// SchemaByGUID is part of serde.Registry.
func (*Registry) SchemaByGUID(context.Context, uuid.UUID) (contract.Version, error) {
	return contract.Version{}, errNotThere
}
