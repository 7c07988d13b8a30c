package producer_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// TestEncodedEqualsRecord publishes a message twice in a transaction, first as
// a record and then in encoded form. The two must be equal in the log.
func TestEncodedEqualsRecord(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name := w.topic("events", 3)
	ser := newSerializer(t)
	events := producer.NewTopic(name, producer.KeyBy(byKey),
		producer.WithHeadersBy(func(e *event, h []serde.Header) []serde.Header {
			return append(h, serde.Header{Key: "pad", Value: []byte(e.Pad)})
		}),
		producer.WithTimestampBy(func(e *event) time.Time { return time.UnixMilli(1_700_000_000_000 + e.Seq) }),
	)
	tp, err := producer.NewTransactional(w.addrs, newID(t), ser)
	if err != nil {
		t.Fatal(err)
	}
	ctx := waitCtx(t)
	messages := []producer.Message[*event]{
		{Value: &event{Key: "a", Seq: 1, Pad: "x"}},
		{Value: &event{Key: "b", Seq: 2}, Key: producer.StringKey("other"), Headers: []serde.Header{{Key: "h", Value: []byte("v")}, {Key: "none"}}},
		{Value: &event{Seq: 3}, Partition: producer.ToPartition(2), Timestamp: time.UnixMilli(1_600_000_000_000)},
		{Key: producer.StringKey("gone"), Tombstone: true, Timestamp: time.UnixMilli(1_600_000_000_001)},
	}
	if err := tp.InTx(ctx, func(tx *producer.Tx) error {
		for _, m := range messages {
			if err := events.AddMessage(ctx, tx, m); err != nil {
				return err
			}
			e, err := events.Encode(ctx, ser, m)
			if err != nil {
				return err
			}
			if err := e.Add(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := tp.Close(ctx); err != nil {
		t.Error(err)
	}
	w.waitForMarkers(name)
	log := w.readAll(name)
	if len(log) != 2*len(messages) {
		t.Fatalf("%d records, want %d", len(log), 2*len(messages))
	}
	pairs := map[int64][]int{}
	for i, r := range log {
		pairs[r.Timestamp.UnixMilli()] = append(pairs[r.Timestamp.UnixMilli()], i)
	}
	for at, pair := range pairs {
		if len(pair) != 2 {
			t.Errorf("%d records of time %d", len(pair), at)
			continue
		}
		a, b := log[pair[0]], log[pair[1]]
		if a.Partition != b.Partition || !bytes.Equal(a.Key, b.Key) || !bytes.Equal(a.Value, b.Value) ||
			(a.Value == nil) != (b.Value == nil) || !cmp.Equal(a.Headers, b.Headers) {
			t.Errorf("the encoded message differs:\n%+v\n%+v", a, b)
		}
	}
}

// TestEncodedKeepsPartition checks that encoded messages without a key do not
// go to a new partition each, because then a batch would have one message.
func TestEncodedKeepsPartition(t *testing.T) {
	t.Parallel()
	const partitions, messages = 64, 300
	w := brokers(t)
	name := w.topic("events", partitions)
	tp, err := producer.NewTransactional(w.addrs, newID(t), newSerializer(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx := waitCtx(t)
	if err := tp.InTx(ctx, func(tx *producer.Tx) error {
		for range messages {
			if err := (producer.Encoded{Topic: name, Value: []byte("x")}).Add(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := tp.Close(ctx); err != nil {
		t.Error(err)
	}
	used := map[int32]int{}
	w.waitForMarkers(name)
	for _, r := range w.readAll(name) {
		used[r.Partition]++
	}
	if len(used) > partitions/2 {
		t.Errorf("%d messages went to %d of %d partitions", messages, len(used), partitions)
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	ser := newSerializer(t)
	value := producer.Message[*event]{Value: &event{Key: "k"}}
	byPartition := producer.WithPartitionBy(func([]byte, *event, int32) int32 { return 0 })
	for name, tc := range map[string]struct {
		topic   *producer.Topic[*event]
		ser     *serde.Serializer
		message producer.Message[*event]
		want    string
	}{
		"no serializer":           {producer.NewTopic("t", producer.KeyBy(byKey)), nil, value, "serializer is nil"},
		"a topic name":            {producer.NewTopic("a/b", producer.KeyBy(byKey)), ser, value, "only letters"},
		"a nil record":            {producer.NewTopic("t", producer.KeyBy(byKey)), ser, producer.Message[*event]{}, "nil"},
		"PartitionBy":             {producer.NewTopic("t", producer.KeyBy(byKey), byPartition), ser, value, "partitioner of its own"},
		"WithPartitioner":         {producer.NewTopic("t", producer.KeyBy(byKey), producer.WithPartitioner(producer.RoundRobin())), ser, value, "partitioner of its own"},
		"a Before function":       {producer.NewTopic("t", producer.KeyBy(byKey), producer.WithBefore(func(context.Context, *producer.Message[*event]) error { return errOnPurpose })), ser, value, errOnPurpose.Error()},
		"a key that panics":       {producer.NewTopic("t", producer.KeyBy(func(*event) string { panic("boom") })), ser, value, "boom"},
		"a field that is refused": {producer.NewTopic("t", producer.KeyBy(byKey)), ser, producer.Message[*event]{Value: &event{Pad: "bad"}}, errBadField.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := tc.topic.Encode(ctx, tc.ser, tc.message); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	e := producer.Encoded{Topic: "a/b"}
	if err := e.Add(ctx, nil); !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("an impossible topic: %v", err)
	}
}
