package producer_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/serde"
)

// TestMurmur2 compares the default partitioner with the results of Kafka's Java
// client for 200 keys.
func TestMurmur2(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/murmur2.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	murmur2 := producer.Murmur2()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		fields := strings.Fields(lines.Text())
		key, err := hex.DecodeString(strings.TrimPrefix(fields[0], "-"))
		if err != nil {
			t.Fatal(err)
		}
		if key == nil {
			key = []byte{} // an empty key is a key
		}
		for i, partitions := range []int32{12, 7} {
			want, err := strconv.Atoi(fields[2+i])
			if err != nil {
				t.Fatal(err)
			}
			if got := murmur2(key, partitions); got != int32(want) {
				t.Errorf("key %x of %d partitions: %d, Java says %d", key, partitions, got, want)
			}
		}
		n++
	}
	if n != 200 {
		t.Errorf("%d keys, want 200", n)
	}
}

func TestPartitionersSpreadKeys(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]producer.Partitioner{
		"round robin": producer.RoundRobin(), "sticky": producer.Sticky(), "murmur2 without a key": producer.Murmur2(),
	} {
		var got [5]int
		last, changes := int32(-1), 0
		for range 5 {
			for range 1000 {
				at := p(nil, 5)
				got[at]++
				if at != last {
					last = at
					changes++
				}
			}
			time.Sleep(15 * time.Millisecond) // longer than the sticky time
		}
		if name == "round robin" && (changes != 5000 || got != [5]int{1000, 1000, 1000, 1000, 1000}) {
			t.Errorf("round robin: %v", got)
		}
		if name != "round robin" && (changes < 4 || changes > 200) {
			t.Errorf("%s changed partition %d times in 5,000 messages: %v", name, changes, got)
		}
		if p(nil, 1) != 0 {
			t.Errorf("%s: one partition", name)
		}
		for range 100 { // fewer partitions, as in a topic that was created again
			if at := p(nil, 2); at < 0 || at > 1 {
				t.Errorf("%s: %d of 2", name, at)
			}
		}
	}
}

// TestPartitionsAdded checks that the producer uses the new number of
// partitions within the metadata's age.
func TestPartitionsAdded(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 1))
	p := newProducer(t, b.Addrs(), producer.WithMetadataMaxAge(20*time.Millisecond))
	ctx := waitCtx(t)
	events := producer.NewTopic("events", producer.NoKey[*event](), producer.WithPartitioner(func(_ []byte, n int32) int32 { return n - 1 }))
	if d, err := events.Publish(ctx, p, &event{}); err != nil || d.Partition != 0 {
		t.Fatal(d, err)
	}
	if err := b.AddPartitions("events", 4); err != nil {
		t.Fatal(err)
	}
	for {
		d, err := events.Publish(ctx, p, &event{})
		if err != nil {
			t.Fatal(err)
		}
		if d.Partition == 3 {
			return
		}
	}
}

// TestPartitionBy checks that the function gets key, record and count, and that
// an explicit partition wins.
func TestPartitionBy(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 4))
	p := newProducer(t, b.Addrs())
	ctx := waitCtx(t)
	events := producer.NewTopic("events", producer.KeyBy(byKey), producer.WithPartitionBy(func(key []byte, e *event, n int32) int32 {
		if string(key) != e.Key || n != 4 {
			t.Errorf("key %q, n %d", key, n)
		}
		return int32(e.Seq)
	}))
	if d, err := events.Publish(ctx, p, &event{Key: "a", Seq: 2}); err != nil || d.Partition != 2 {
		t.Error(d, err)
	}
	d, err := events.Send(ctx, p, producer.Message[*event]{Value: &event{Key: "a", Seq: 2}, Partition: producer.ToPartition(1)})
	if err != nil || d.Partition != 1 {
		t.Error(d, err)
	}
}

// TestTombstones checks that no function of a topic gets a nil record. A
// tombstone names its partition, or WithPartitioner chooses the partition.
func TestTombstones(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 4))
	p := newProducer(t, b.Addrs())
	tx := (&kafkaEnv{t: t, addrs: b.Addrs()}).transactional(newID(t))
	ctx := waitCtx(t)
	options := []producer.TopicOption{
		producer.WithPartitionBy(func(_ []byte, e *event, n int32) int32 { return int32(e.Seq) % n }),
		producer.WithHeadersBy(func(e *event, h []serde.Header) []serde.Header {
			return append(h, serde.Header{Key: "seq", Value: []byte{byte(e.Seq)}})
		}),
		producer.WithTimestampBy(func(e *event) time.Time { return time.UnixMilli(e.Seq) }),
		producer.WithAfter(func(e *event, _ producer.Delivery, _ error) { _ = e.Seq }),
		producer.WithBefore(func(_ context.Context, m *producer.Message[*event]) error {
			if m.Tombstone != (m.Value == nil) {
				t.Errorf("%+v", m)
			}
			return nil
		}),
	}
	byRecord := producer.NewTopic("events", producer.KeyBy(byKey), options...)
	byKeyToo := producer.NewTopic("events", producer.KeyBy(byKey),
		append(options, producer.WithPartitioner(func(key []byte, _ int32) int32 { return int32(len(key)) }))...)
	gone := producer.Message[*event]{Key: producer.StringKey("key"), Tombstone: true}
	there := gone
	there.Partition = producer.ToPartition(1)

	if d, err := byRecord.Publish(ctx, p, &event{Key: "key", Seq: 2}); err != nil || d.Partition != 2 {
		t.Error(d, err)
	}
	if d, err := byRecord.Send(ctx, p, there); err != nil || d.Partition != 1 {
		t.Error(d, err)
	}
	if d, err := byKeyToo.Send(ctx, p, gone); err != nil || d.Partition != 3 {
		t.Error(d, err)
	}
	for name, send := range map[string]func() error{
		"Send":         func() error { _, err := byRecord.Send(ctx, p, gone); return err },
		"SendAsync":    func() error { return byRecord.SendAsync(ctx, p, gone, nil) },
		"TrySendAsync": func() error { return byRecord.TrySendAsync(ctx, p, gone, nil) },
		"SendFuture":   func() error { _, err := byRecord.SendFuture(ctx, p, gone); return err },
		"AddMessage": func() error {
			return tx.InTx(ctx, func(tx *producer.Tx) error { return byRecord.AddMessage(ctx, tx, gone) })
		},
	} {
		err := send()
		if failed := new(producer.PanicError); !errors.Is(err, producer.ErrNotSent) || errors.As(err, &failed) || !strings.Contains(err.Error(), "set Message.Partition") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := tx.InTx(ctx, func(tx *producer.Tx) error { return byRecord.AddMessage(ctx, tx, there) }); err != nil {
		t.Error(err)
	}
	if err := p.Flush(ctx); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Delivered != 3 || s.NotSent+s.Unknown != 0 {
		t.Errorf("%+v", s)
	}
}
