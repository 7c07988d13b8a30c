package transporttest

import (
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// testOutcomes checks that without faults the log has every message once. Each
// message must be unchanged and at the reported offset.
func testOutcomes(t *testing.T, lib Library) {
	t.Run("each message has one outcome", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) {
			name := b.create(t, "outcomes", 3, nil)
			s := open(t, lib, config(t, b.addrs, ""))
			const n = 5000
			s.send(t, s.topic(t, name), 3, n)
			s.all(t, n)
			s.compareWithLog(t, b.read(t, name))
			s.allPersisted(t, n)
		})
	})
	t.Run("a message arrives as it was", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) { testMessage(t, lib, b) })
	})
	t.Run("the caller's memory is not kept", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) {
			name := b.create(t, "memory", 1, nil)
			s := open(t, lib, config(t, b.addrs, ""))
			h := s.topic(t, name)
			buf := make([]byte, 0, 100)
			m := &transport.Message{Headers: []transport.Header{{}}}
			for i := range transport.Token(1000) {
				buf = append(buf[:0], value(i)...)
				m.Key, m.Value = buf, buf
				m.Headers[0] = transport.Header{Key: "h", Value: buf}
				if err := h.Produce(0, m, i); err != nil {
					t.Fatal(err)
				}
			}
			s.all(t, 1000)
			for i, r := range b.read(t, name) {
				if o := s.outcomes[transport.Token(i)]; o.Offset != r.Offset || o.Timestamp != r.Timestamp.UnixMilli() {
					t.Fatalf("message %d has the offset %d and the time %d, reported %d and %d", i, r.Offset, r.Timestamp.UnixMilli(), o.Offset, o.Timestamp)
				}
				want := string(value(transport.Token(i)))
				if got := []string{string(r.Key), string(r.Value), string(r.Headers[0].Value)}; !cmp.Equal(got, []string{want, want, want}) {
					t.Fatalf("message %d arrived as %q", i, got)
				}
			}
		})
	})
	t.Run("the broker's time is reported", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) {
			name := b.create(t, "stamped", 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
			s := open(t, lib, config(t, b.addrs, ""))
			s.send(t, s.topic(t, name), 1, 10)
			s.all(t, 10)
			if b.inside != nil {
				t.Skip("the embedded broker reports no append time")
			}
			for _, r := range b.read(t, name) {
				for _, o := range s.outcomes {
					if o.Offset == r.Offset && o.Timestamp != r.Timestamp.UnixMilli() {
						t.Errorf("offset %d has the time %d, reported %d", r.Offset, r.Timestamp.UnixMilli(), o.Timestamp)
					}
				}
			}
		})
	})
	t.Run("the time on the wire is reported", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) { testOnWire(t, lib, b) })
	})
	t.Run("a message too large is refused", func(t *testing.T) {
		t.Parallel()
		b := embedded(t)
		name := b.create(t, "large", 1, nil)
		s := open(t, lib, config(t, b.addrs, ""))
		err := s.topic(t, name).Produce(0, &transport.Message{Value: make([]byte, 2<<20)}, 1)
		if code(err) != 10 {
			t.Errorf("2 MiB: %v, want code 10 (MESSAGE_TOO_LARGE)", err)
		}
	})
}

// testOnWire delays an answer of the broker in process. The time on the wire
// must contain most of the delay, because a library may note the time of a
// request a little late.
func testOnWire(t *testing.T, lib Library, b brokers) {
	name := b.create(t, "wire", 1, nil)
	s := open(t, lib, config(t, b.addrs, ""))
	h := s.topic(t, name)
	first := s.send(t, h, 1, 1)
	s.all(t, 1)
	least := time.Duration(1)
	if b.inside != nil {
		defer b.inside.DelayAnswers(500*time.Millisecond, producertest.Produce).Stop()
		least = 200 * time.Millisecond
	}
	begin := time.Now()
	second := s.send(t, h, 1, 1)
	s.all(t, 2)
	most := time.Since(begin)
	quick, delayed := s.outcomes[first].OnWire, s.outcomes[second].OnWire
	switch {
	case lib.NoFailureDetails && (quick != 0 || delayed != 0):
		t.Errorf("%v and %v on the wire, but the library does not know", quick, delayed)
	case !lib.NoFailureDetails && (quick <= 0 || delayed < least || delayed > most):
		t.Errorf("%v and %v on the wire, want more than 0, and %v to %v", quick, delayed, least, most)
	}
}

// testMessage sends messages of every kind, the first ones alone and the others
// in a burst. A transport may give the messages of a burst to its library in
// another way.
func testMessage(t *testing.T, lib Library, b brokers) {
	name := b.create(t, "message", 1, nil)
	s := open(t, lib, config(t, b.addrs, ""))
	h := s.topic(t, name)
	large := make([]byte, 200_000)
	for i := range large {
		large[i] = byte(i)
	}
	kinds := []*transport.Message{
		{Key: []byte("key"), Value: []byte("value"), Timestamp: 1_700_000_000_123, HasTimestamp: true},
		{Key: []byte("key"), Value: []byte("value")},
		{Value: []byte("value")},
		{Key: []byte("a tombstone")},
		{Key: nil, Value: nil},
		{Key: []byte{}, Value: []byte{}},
		{Value: []byte("epoch"), Timestamp: 0, HasTimestamp: true},
		{Value: []byte("headers"), Headers: []transport.Header{
			{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte{}}, {Key: "", Value: nil},
		}},
		{Key: large, Value: large, Headers: []transport.Header{{Key: "large", Value: large}}},
	}
	before := time.Now().Truncate(time.Millisecond)
	var messages []*transport.Message
	send := func(m *transport.Message) {
		if lib.NoTimestampZero && m.HasTimestamp && m.Timestamp == 0 {
			m.Timestamp = 1
		}
		if err := h.Produce(0, m, transport.Token(len(messages))); err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	for _, m := range kinds {
		send(m)
		s.all(t, len(messages))
	}
	for i := range 1000 {
		send(kinds[1+i%3])
		if i%100 == 99 {
			for _, m := range kinds {
				send(m)
			}
		}
	}
	s.all(t, len(messages))
	for i, r := range b.read(t, name) {
		want := messages[i]
		got := &transport.Message{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp.UnixMilli(), HasTimestamp: want.HasTimestamp}
		for _, h := range r.Headers {
			got.Headers = append(got.Headers, transport.Header{Key: h.Key, Value: h.Value})
		}
		if !want.HasTimestamp {
			if r.Timestamp.Before(before) || r.Timestamp.After(time.Now()) {
				t.Errorf("message %d has the time %v", i, r.Timestamp)
			}
			got.Timestamp = want.Timestamp
		}
		if reported := s.outcomes[transport.Token(i)].Timestamp; reported != r.Timestamp.UnixMilli() {
			t.Errorf("message %d has the time %d, reported %d", i, r.Timestamp.UnixMilli(), reported)
		}
		if !reflect.DeepEqual(want, got) { // cmp.Diff alone takes a second for a large message
			t.Errorf("message %d (-want +got):\n%s", i, cmp.Diff(want, got))
		}
	}
}

// testPartitions checks that a client serves very many partitions at once.
func testPartitions(t *testing.T, lib Library) {
	onAllBrokers(t, func(t *testing.T, b brokers) {
		topics, partitions, rounds := 50, int32(40), 3
		if b.inside == nil {
			topics = 5
		}
		s := open(t, lib, config(t, b.addrs, ""))
		sent := 0
		for i := range topics {
			name := b.create(t, "many-"+strconv.Itoa(i), partitions, nil)
			h := s.topic(t, name)
			for range rounds {
				s.send(t, h, partitions, int(partitions))
				sent += int(partitions)
			}
		}
		s.all(t, sent)
		s.allPersisted(t, sent)
		got := 0
		for i := range topics {
			byPartition := map[int32]int{}
			for _, r := range b.read(t, b.topic(fmt.Sprintf("many-%d", i))) {
				byPartition[r.Partition]++
			}
			for p := range partitions {
				if byPartition[p] != rounds {
					t.Errorf("topic %d, partition %d: %d messages, want %d", i, p, byPartition[p], rounds)
				}
				got += byPartition[p]
			}
		}
		if got != sent {
			t.Errorf("%d messages in the logs, sent %d", got, sent)
		}
	})
}
