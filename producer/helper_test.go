package producer_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/serde"
)

// event is like the generated code for a record of a string and a long.
type event struct {
	Key string
	Seq int64
	Pad string
}

const eventSchema = `{"type":"record","name":"test.Event","fields":[{"name":"key","type":"string"},{"name":"seq","type":"long"},{"name":"pad","type":"string"}]}`

func (*event) AvroName() string   { return "test.Event" }
func (*event) AvroSchema() string { return eventSchema }

var errBadField = errors.New("pad: refused by the test")

func (e *event) AppendAvro(dst []byte) ([]byte, error) {
	if e.Pad == "bad" {
		return dst, errBadField
	}
	if e.Pad == "panic" {
		panic("encoder")
	}
	dst = binary.AppendVarint(dst, int64(len(e.Key)))
	dst = append(dst, e.Key...)
	dst = binary.AppendVarint(dst, e.Seq)
	dst = binary.AppendVarint(dst, int64(len(e.Pad)))
	return append(dst, e.Pad...), nil
}

// decodeEvent reads an encoded event after the prefix.
func decodeEvent(t testing.TB, value []byte) (id int, e event) {
	t.Helper()
	if len(value) < 5 || value[0] != 0 {
		t.Fatalf("not framed: %x", value)
	}
	id = int(binary.BigEndian.Uint32(value[1:]))
	value = value[5:]
	text := func() string {
		n, w := binary.Varint(value)
		s := string(value[w : w+int(n)])
		value = value[w+int(n):]
		return s
	}
	e.Key = text()
	seq, w := binary.Varint(value)
	e.Seq, value = seq, value[w:]
	e.Pad = text()
	return id, e
}

func newSerializer(t testing.TB, opts ...serde.Option) *serde.Serializer {
	t.Helper()
	s, err := serde.NewSerializer(&workload.Registry{}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newProducer makes a producer that the end of the test closes. The test fails
// if an accepted message was not delivered. A test that expects losses closes
// the producer itself with closeWithLosses.
func newProducer(t testing.TB, brokers []string, opts ...producer.Option) *producer.Producer {
	t.Helper()
	p, err := producer.New(brokers, newSerializer(t), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, lost := losses.LoadAndDelete(p); lost || errors.Is(p.Err(), producer.ErrClosed) {
			return // the test has checked the result of Close
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// losses lists the producers whose tests have checked the lost messages.
var losses sync.Map

// closeWithLosses closes a producer that could not deliver everything. It
// returns the error of Close.
func closeWithLosses(t *testing.T, p *producer.Producer) *producer.UndeliveredError {
	t.Helper()
	losses.Store(p, true)
	var u *producer.UndeliveredError
	if err := p.Close(waitCtx(t)); !errors.As(err, &u) {
		t.Errorf("close: %v, want the account of what was lost", err)
	}
	return u
}

func byKey(e *event) string { return e.Key }

func startBroker(t testing.TB, opts ...producertest.Option) *producertest.Broker {
	t.Helper()
	return producertest.Start(t, opts...)
}

// waitCtx bounds the waits of a test.
func waitCtx(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
