package producer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// emptyRecord is a record with a schema of no fields.
type emptyRecord struct{}

func (*emptyRecord) AvroName() string                      { return "test.Note" }
func (*emptyRecord) AvroSchema() string                    { return `{"type":"record","name":"test.Note","fields":[]}` }
func (*emptyRecord) AppendAvro(dst []byte) ([]byte, error) { return dst, nil }

// registryStub registers every schema, or returns err.
type registryStub struct{ err error }

func (r registryStub) Register(context.Context, string, contract.Schema) (contract.Version, error) {
	return contract.Version{ID: 1}, r.err
}

func (r registryStub) Lookup(context.Context, string, contract.Schema) (contract.Version, error) {
	return contract.Version{ID: 1}, r.err
}

func (r registryStub) Latest(context.Context, string) (contract.Version, error) {
	return contract.Version{}, r.err
}

func (r registryStub) SchemaByID(context.Context, string, int) (contract.Version, error) {
	return contract.Version{}, r.err
}

func (r registryStub) SchemaByGUID(context.Context, uuid.UUID) (contract.Version, error) {
	return contract.Version{}, r.err
}

func newEmptyRecordProducer(t *testing.T, brokers []string, registry error, opts ...Option) *Producer {
	t.Helper()
	s, err := serde.NewSerializer(registryStub{registry})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(brokers, s, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = p.Close(ctx)
	})
	return p
}

func emptyRecordTopic(name string) *Topic[*emptyRecord] { return NewTopic(name, NoKey[*emptyRecord]()) }

// TestSecurity checks that Prepare and the first message report every
// connection problem within their deadline.
func TestSecurity(t *testing.T) {
	t.Parallel()
	for name, s := range securityCases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newEmptyRecordProducer(t, startSecurity(t, s), nil, s.client...)
			if name == "an HTTP server" && p.engine.Config().Transport == Franz {
				t.Skip("franz-go waits 10 s for the answer of a port that does not answer")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if s.kind == nil {
				if err := p.Prepare(ctx, emptyRecordTopic("t")); err != nil {
					t.Fatal(err)
				}
				if _, err := emptyRecordTopic("t").Publish(ctx, p, &emptyRecord{}); err != nil {
					t.Fatal(err)
				}
				return
			}
			if errors.Is(s.kind, ErrUnreachable) { // the broker may start, so Prepare uses the whole deadline
				ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
			}
			err := p.Prepare(ctx, emptyRecordTopic("t"))
			checkConnectionError(t, err, s)
			if !errors.Is(s.kind, ErrUnreachable) && ctx.Err() != nil {
				t.Error("a refusal was not told at once")
			}
			short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err = emptyRecordTopic("t").Publish(short, p, &emptyRecord{})
			checkConnectionError(t, err, s)
			if !errors.Is(err, ErrNotSent) {
				t.Errorf("not sent is not said: %v", err)
			}
		})
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "there"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	p := newEmptyRecordProducer(t, k.ListenAddrs(), nil)
	if err := p.Prepare(ctx, emptyRecordTopic("there")); err != nil {
		t.Errorf("all is well: %v", err)
	}
	if err := p.Prepare(ctx); err != nil {
		t.Errorf("no topics: %v", err)
	}

	refused := errors.New("the registry says no")
	p = newEmptyRecordProducer(t, k.ListenAddrs(), refused)
	err = p.Prepare(ctx, emptyRecordTopic("missing"), emptyRecordTopic("there"), emptyRecordTopic("no/such"))
	for _, want := range []string{"topic missing: schema of the value", "topic there: schema of the value", "no topic \"missing\"", "no/such"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if !errors.Is(err, refused) || !errors.Is(err, ErrUnknownTopic) {
		t.Errorf("causes are lost: %v", err)
	}

	p = newEmptyRecordProducer(t, k.ListenAddrs(), nil, WithCreateTopics(3, 1), WithTopicSettings(map[string]string{"max.message.bytes": "5000"}))
	made := emptyRecordTopic("made")
	for range 2 { // the second call finds the topic
		if err := p.Prepare(ctx, made, emptyRecordTopic("there")); err != nil {
			t.Fatal(err)
		}
	}
	send := func(m Message[*emptyRecord]) error {
		_, err := made.Send(ctx, p, m)
		return err
	}
	if err := send(Message[*emptyRecord]{Value: &emptyRecord{}, Partition: ToPartition(2)}); err != nil {
		t.Errorf("the last of three partitions: %v", err)
	}
	if err := send(Message[*emptyRecord]{Value: &emptyRecord{}, Partition: ToPartition(3)}); err == nil {
		t.Error("there is a fourth partition")
	}
	var large *TooLargeError
	if err := send(Message[*emptyRecord]{Value: &emptyRecord{}, Key: BytesKey(make([]byte, 5001))}); !errors.As(err, &large) || large.Limit != 5000 {
		t.Errorf("a large key: %v", err)
	}

	p = newEmptyRecordProducer(t, k.ListenAddrs(), nil, WithCreateTopics(1, 1), WithTopicSettings(map[string]string{"min.insync.replicas": "2"}))
	if err := p.Prepare(ctx, emptyRecordTopic("single")); err != nil { // brokers take the smaller number
		t.Errorf("one replica: %v", err)
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := p.Prepare(ctx, emptyRecordTopic("there")); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
