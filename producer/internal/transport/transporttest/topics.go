package transporttest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/producer/internal/transport"
)

// testTopics tests metadata, administration, and topics that change.
func testTopics(t *testing.T, lib Library) {
	t.Run("metadata", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) {
			ctx := deadline(t)
			s := open(t, lib, config(t, b.addrs, ""))
			_, err := s.client.Metadata(ctx, b.topic("missing"))
			if code(err) != 3 {
				t.Errorf("a topic that does not exist: %v, want code 3", err)
			}
			name := b.topic("made")
			must(t, s.client.Admin().CreateTopic(ctx, name, 4, 1, map[string]string{"max.message.bytes": "12345"}))
			if err := s.client.Admin().CreateTopic(ctx, name, 4, 1, nil); code(err) != 36 {
				t.Errorf("a topic that exists: %v, want code 36", err)
			}
			var m transport.TopicMetadata
			for len(m.Partitions) == 0 {
				m, err = s.client.Metadata(ctx, name)
				if err != nil && code(err) != 3 && code(err) != 5 {
					t.Fatal(err)
				}
			}
			if len(m.Partitions) != 4 || m.Name != name {
				t.Errorf("metadata %+v", m)
			}
			settings, err := s.client.Admin().TopicConfig(ctx, name)
			must(t, err)
			if diff := cmp.Diff("12345", settings["max.message.bytes"]); diff != "" {
				t.Errorf("max.message.bytes (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("a partition that does not exist", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) { testNoPartition(t, lib, b) })
	})
	t.Run("a topic that was deleted and made again", func(t *testing.T) {
		t.Parallel()
		onAllBrokers(t, func(t *testing.T, b brokers) {
			ctx := deadline(t)
			name, other := b.create(t, "again", 1, nil), b.create(t, "other", 1, nil)
			s := open(t, lib, config(t, b.addrs, ""))
			h, healthy := s.topic(t, name), s.topic(t, other)
			s.send(t, h, 1, 10)
			s.send(t, healthy, 1, 10)
			s.all(t, 20)
			_, err := b.admin(t).DeleteTopic(ctx, name)
			must(t, err)
			for {
				if _, err := b.admin(t).CreateTopic(ctx, 1, -1, nil, name); err == nil {
					break
				}
			}
			// Messages may fail until the client has noticed. A broker before
			// 4.1 identifies a topic only by its name. Therefore the new topic
			// may contain messages in flight.
			maybe := 0
			for s.next++; ; {
				token := s.next
				if h.Produce(0, &transport.Message{Value: value(token)}, token) == nil {
					s.until(t, "the outcome", func() bool { _, ok := s.outcomes[token]; return ok })
					if s.outcomes[token].Err == nil {
						break
					}
					if lib.RefusalIsFatal && s.outcomes[token].Persistence == transport.PossiblyPersisted {
						s.until(t, "the end of the client", func() bool { return len(s.fatal) > 0 })
						s.fatal = nil
						s.reopen(t, lib, config(t, b.addrs, ""))
						h, healthy = s.topic(t, name), s.topic(t, other)
					} else if s.outcomes[token].Persistence != transport.NotPersisted {
						maybe++
					}
					s.mu.Lock()
					delete(s.outcomes, token)
					s.held = false
					s.mu.Unlock()
				}
				s.mu.Lock()
				s.held = false
				s.mu.Unlock()
				if ctx.Err() != nil {
					t.Fatal("the topic that was made again is not found")
				}
				_, _ = s.client.Metadata(ctx, name)
			}
			s.send(t, h, 1, 10)
			s.send(t, healthy, 1, 10)
			s.all(t, 41)
			if got := len(b.read(t, name)); got < 11 || got > 11+maybe || b.inside != nil && maybe > 0 {
				t.Errorf("%d messages in the new topic, want 11 and up to %d more", got, maybe)
			}
			if got := len(b.read(t, other)); got != 20 {
				t.Errorf("%d messages in the other topic, want 20", got)
			}
			if len(s.fatal) > 0 {
				t.Errorf("the client ended: %v", s.fatal)
			}
		})
	})
}

// testNoPartition produces to a partition that the topic does not have. A
// message has either an error or an outcome, and not both.
func testNoPartition(t *testing.T, lib Library, b brokers) {
	name := b.create(t, "few", 1, nil)
	s := open(t, lib, config(t, b.addrs, ""))
	h := s.topic(t, name)
	s.send(t, h, 1, 10)
	s.all(t, 10)
	refused, waiting := map[transport.Token]bool{}, 0
	for _, m := range []*transport.Message{
		{Value: []byte("plain")},
		{Value: []byte("stamped"), Timestamp: 1, HasTimestamp: true},
		{Value: []byte("with a header"), Headers: []transport.Header{{Key: "h"}}},
	} {
		s.next++
		if err := h.Produce(7, m, s.next); err != nil {
			refused[s.next] = true
		} else {
			waiting++
		}
	}
	n := 10 + waiting
	if waiting == 0 { // other outcomes show that the refused messages have none
		s.send(t, h, 1, 10)
		n += 10
	} else {
		s.client.Purge()
	}
	s.all(t, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, o := range s.outcomes {
		switch {
		case refused[token]:
			t.Errorf("message %d was refused and has the outcome %+v", token, o)
		case token > 10 && o.Partition == 7 && o.Persistence != transport.NotPersisted:
			t.Errorf("message %d is not in a log, and has the outcome %+v", token, o)
		}
	}
}
