package franz

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// queuedPartition returns a partition that waits for a request with a message.
func queuedPartition(t *testing.T, c *client, name string, id byte, number int32, value []byte) *partition {
	t.Helper()
	made, err := c.Topic(name)
	if err != nil {
		t.Fatal(err)
	}
	events := made.(*topic)
	events.batchBytes.Store(mostBytes + 1000)
	events.noteMetadata(&kmsg.MetadataResponseTopic{TopicID: [16]byte{id}, Partitions: make([]kmsg.MetadataResponseTopicPartition, 10)})
	if err := events.Produce(number, &transport.Message{Value: value}, transport.Token(number)); err != nil {
		t.Fatal(err)
	}
	p := events.at(number)
	p.stage = queued
	return p
}

// TestRequest puts partitions of several topics into a request. A topic has one
// place in the request.
func TestRequest(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		id      byte // of the topics; 0: the broker has none
		config  settings.Config
		second  bool
		version int16
	}{
		"":                    {id: 1, version: 13},
		"topics without ids":  {id: 0, version: 12},
		"transaction":         {id: 1, config: settings.Config{TransactionalID: "id"}, version: 11},
		"KIP-890 transaction": {id: 1, config: settings.Config{TransactionalID: "id"}, second: true, version: 13},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testClient(&want.config, nil)
			c.ids.set(1, 0)
			c.tx.second = want.second
			var parts []*partition
			for _, at := range []struct {
				topic  string
				number int32
			}{{"b", 1}, {"a", 2}, {"b", 0}, {"a", 1}} {
				parts = append(parts, queuedPartition(t, c, at.topic, want.id*at.topic[0], at.number, nil))
			}
			r, rest := c.senders.at(1).request(parts, mostBytes)
			if len(rest) > 0 || r.MaxVersion() != want.version || r.Key() != 0 {
				t.Errorf("%d partitions left, version %d, want %d", len(rest), r.MaxVersion(), want.version)
			}
			var names []string
			var numbers []int32
			for _, topic := range r.Topics {
				names = append(names, topic.Topic)
				for _, p := range topic.Partitions {
					numbers = append(numbers, p.Partition)
				}
			}
			if !slices.Equal(names, []string{"a", "b"}) || !slices.Equal(numbers, []int32{2, 1, 1, 0}) {
				t.Errorf("topics %v, partitions %v", names, numbers)
			}
			r.SetVersion(want.version)
			for at, b := range r.batches {
				answered := kmsg.ProduceResponseTopic{Topic: b.part.topic.name, TopicID: b.part.topic.topicID()}
				if want.version > lastWithNames {
					answered.Topic = ""
				}
				for next := range r.batches {
					if got := r.find(next, &answered, b.part.number); got != at {
						t.Errorf("batch %d is found at %d", at, got)
					}
				}
				if got := r.find(0, &answered, 9); got != -1 {
					t.Errorf("a partition that is not in the request is found at %d", got)
				}
			}
		})
	}
}

// TestLargeRequest leaves the partitions that do not fit to the next request.
func TestLargeRequest(t *testing.T) {
	t.Parallel()
	c := testClient(new(settings.Config), nil)
	c.ids.set(1, 0)
	var parts []*partition
	for number := range int32(3) {
		parts = append(parts, queuedPartition(t, c, "events", 1, number, make([]byte, mostBytes)))
	}
	for i := range parts {
		r, rest := c.senders.at(1).request(parts[i:], mostBytes)
		if len(r.batches) != 1 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 || len(rest) != len(parts)-i-1 {
			t.Errorf("request %d: %d batches, %d topics, %d partitions left", i, len(r.batches), len(r.Topics), len(rest))
		}
	}
}

// TestRequestSize makes the requests smaller after a request without an answer,
// and larger after an answer. A request always has a batch.
func TestRequestSize(t *testing.T) {
	t.Parallel()
	c := testClient(new(settings.Config), nil)
	c.ids.set(1, 0)
	s := c.senders.at(1)
	number := int32(0)
	batches := func() int {
		var parts []*partition
		for range 5 {
			parts = append(parts, queuedPartition(t, c, "events", 1, number, make([]byte, 1<<20)))
			number++
		}
		r, _ := s.request(parts, s.limit)
		return len(r.batches)
	}
	var got []int
	for _, err := range []error{nil, errNoAnswer, errNoAnswer, nil, nil, nil, nil, nil} {
		s.adapt(err)
		got = append(got, batches())
	}
	if want := []int{4, 1, 1, 1, 2, 3, 4, 4}; !slices.Equal(got, want) {
		t.Errorf("batches %v, want %v", got, want)
	}
	for range 30 {
		s.adapt(errNoAnswer)
	}
	if got := batches(); got != 1 {
		t.Errorf("%d batches after many failures", got)
	}
}

// writes records what is written to a connection.
type writes struct {
	net.Conn
	got []byte
}

func (w *writes) Write(b []byte) (int, error) {
	w.got = append(w.got, b...)
	return len(b), nil
}

// TestRequestBytes compares the bytes on the connection with franz-go's own
// encoding of the same request, for each version and for batches that are
// copied and left out.
func TestRequestBytes(t *testing.T) {
	t.Parallel()
	id := "id"
	for version := int16(3); version <= lastVersion; version++ {
		for _, transactionID := range []*string{nil, &id} {
			r := &request{sender: &sender{client: new(client)}}
			r.Acks, r.TimeoutMillis, r.Version, r.TransactionID = -1, 30_000, version, transactionID
			for i, name := range []string{"a", "b"} {
				topic := kmsg.ProduceRequestTopic{Topic: name, TopicID: [16]byte{byte(i + 1)}}
				for number, size := range []int{0, 100, leastLeft - 1, leastLeft, 1 << 20} {
					topic.Partitions = append(topic.Partitions, kmsg.ProduceRequestTopicPartition{
						Partition: int32(number), Records: bytes.Repeat([]byte{byte(number)}, size),
					})
				}
				r.Topics = append(r.Topics, topic)
			}
			head := []byte{0, 0, 0, 0, 0xaa, 0xbb}
			want := r.ProduceRequest.AppendTo(bytes.Clone(head))
			binary.BigEndian.PutUint32(want, uint32(len(want)-4))
			b := r.AppendTo(head)
			if written, ok := r.sender.client.wire.writing.Load(&b[0]); !ok || written != r || len(b) > len(want)/2 {
				t.Errorf("version %d: %d bytes of %d are not left out, known to the wire: %t", version, len(b), len(want), ok)
			}
			var got writes
			if n, err := r.writeTo(&got, b); err != nil || n != len(want) || !bytes.Equal(got.got, want) {
				t.Errorf("version %d: %d bytes, %v, want %d; the same bytes: %t", version, n, err, len(want), bytes.Equal(got.got, want))
			}
		}
	}
}
