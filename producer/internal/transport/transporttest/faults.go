package transporttest

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

const leadersMove = "leaders move"

// testFaults checks that the client outlasts every temporary fault, and that
// every message is in the log once.
func testFaults(t *testing.T, lib Library) {
	const n = 20_000
	faults := []struct {
		name  string
		nodes int
		begin func(t *testing.T, b *producertest.Broker) (end func())
	}{
		{"answers are lost", 1, func(t *testing.T, b *producertest.Broker) func() {
			f := b.LoseAnswers(0.3, 1)
			return func() {
				if f.Hits() == 0 {
					t.Error("no answer was lost")
				}
				f.Stop()
			}
		}},
		{"applied, but answered with an error", 1, func(t *testing.T, b *producertest.Broker) func() {
			f := b.FailApplied(0.3, 1)
			return func() {
				if f.Hits() == 0 {
					t.Error("no request was answered so")
				}
				f.Stop()
			}
		}},
		{leadersMove, 3, func(_ *testing.T, b *producertest.Broker) func() {
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					select {
					case <-stop:
						return
					case <-time.After(30 * time.Millisecond):
						b.MoveLeaders()
					}
				}
			}()
			return func() { close(stop); <-stopped }
		}},
		{"connections are cut", 3, func(_ *testing.T, b *producertest.Broker) func() {
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					select {
					case <-stop:
						return
					case <-time.After(50 * time.Millisecond):
						b.Cut()
					}
				}
			}()
			return func() { close(stop); <-stopped }
		}},
	}
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			b := embedded(t, producertest.WithBrokers(fault.nodes))
			name := b.create(t, "faults", 3, nil)
			c := config(t, b.addrs, "", small())
			s := open(t, lib, c)
			end := fault.begin(t, b.inside)
			s.spread(t, s.topic(t, name), 3, n)
			end()
			s.until(t, "every outcome", func() bool { return len(s.outcomes)+len(s.kept) == n })
			s.compareWithLog(t, b.read(t, name))
			if !s.ended() {
				s.allPersisted(t, n)
				return
			}
			// The guard of package confluent ends a client if its sequence
			// numbers have a gap. This can happen while leaders move. The
			// engine then continues with another client.
			if !lib.RefusalIsFatal || fault.name != leadersMove {
				t.Fatalf("the client ended: %v", s.fatal)
			}
			s.reopen(t, lib, c)
			s.resend(t, s.topic(t, name), 3)
			s.compareWithLog(t, b.read(t, name))
			if _, not, _ := s.count(); not > 0 || len(s.outcomes) != n {
				t.Errorf("%d outcomes of %d, %d not persisted after the second client", len(s.outcomes), n, not)
			}
		})
	}
	t.Run("control: without idempotence lost answers write twice", func(t *testing.T) {
		t.Parallel()
		b := embedded(t)
		name := b.create(t, "control", 3, nil)
		weak := set(func(c *settings.Config) { c.WeakAcks, c.InFlightRequests = true, 1 })
		s := open(t, lib, config(t, b.addrs, "", small(), weak))
		f := b.inside.LoseAnswers(0.3, 1)
		s.spread(t, s.topic(t, name), 3, n)
		f.Stop()
		s.all(t, n)
		if got := len(b.read(t, name)); got <= n {
			t.Errorf("%d messages sent, %d in the log: the fault does not bite", n, got)
		}
	})
}

// small sets a small batch size. A fault then hits many batches.
func small() settings.Option { return set(func(c *settings.Config) { c.BatchBytes = 4 << 10 }) }

// spread sends the messages over some time. A fault then hits the middle.
func (s *session) spread(t *testing.T, h transport.Topic, partitions int32, n int) {
	t.Helper()
	const parts = 20
	for range parts {
		s.send(t, h, partitions, n/parts)
		time.Sleep(20 * time.Millisecond)
	}
}

// testRefused checks that a refused batch ends only the guilty message.
func testRefused(t *testing.T, lib Library) {
	for where, index := range map[string]int32{"the first": 0, "in the middle": 5} {
		t.Run("only what is certainly not written is called so, guilty "+where, func(t *testing.T) {
			t.Parallel()
			testRefusedOne(t, lib, index)
		})
	}
	t.Run("nothing is written behind a refused batch, early", func(t *testing.T) {
		t.Parallel()
		testRefusedEarly(t, lib)
	})
	t.Run("after an answer that was lost nothing is certain", func(t *testing.T) {
		t.Parallel()
		b := embedded(t)
		name := b.create(t, "refused", 1, nil)
		s := open(t, lib, config(t, b.addrs, ""))
		h := s.topic(t, name)
		s.send(t, h, 1, 10)
		s.all(t, 10)
		b.inside.DropAnswers(1)
		b.inside.Cluster().ControlKey(0, func(kmsg.Request) (kmsg.Response, error, bool) {
			// The broker appends the first attempt, and the answer is lost. The
			// broker refuses all later attempts.
			refuseAll(t, b.inside)
			return nil, nil, false
		})
		s.send(t, h, 1, 1)
		s.all(t, 11)
		if o := s.outcomes[11]; o.Err == nil || o.Persistence != transport.PossiblyPersisted {
			t.Errorf("persistence %d, error %v, want possibly persisted", o.Persistence, o.Err)
		}
		s.compareWithLog(t, b.read(t, name))
	})
}

// testRefusedEarly refuses the first batch of a client that has many messages
// before it knows the topic. No later message of the partition may be written,
// because the engine sends the refused batch again.
func testRefusedEarly(t *testing.T, lib Library) {
	const n = 50_000
	b := embedded(t)
	name := b.create(t, "early", 1, nil)
	s := open(t, lib, config(t, b.addrs, "", small()))
	b.inside.Cluster().ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		time.Sleep(200 * time.Millisecond)
		return nil, nil, false
	})
	guilty := refuseOne(t, b.inside, 0)
	s.send(t, s.topic(t, name), 1, n)
	s.until(t, "every outcome", func() bool { return len(s.outcomes)+len(s.kept) == n })
	s.compareWithLog(t, b.read(t, name))
	refused, later := transport.Token(0), 0
	for token := range transport.Token(n) {
		o, ok := s.outcomes[token+1]
		switch {
		case ok && o.Err != nil && refused == 0:
			refused = token + 1
		case ok && o.Err == nil && refused != 0:
			later++
		}
	}
	if !guilty.refused() || refused == 0 || later > 0 {
		t.Errorf("message %d was refused (a batch was refused: %t), and %d later messages were written", refused, guilty.refused(), later)
	}
}

// testRefusedOne refuses a batch for its record at index.
func testRefusedOne(t *testing.T, lib Library, index int32) {
	b := embedded(t)
	name := b.create(t, "refused", 1, nil)
	s := open(t, lib, config(t, b.addrs, "", small()))
	h := s.topic(t, name)
	s.send(t, h, 1, 100)
	s.all(t, 100)
	guilty := refuseOne(t, b.inside, index)
	s.send(t, h, 1, 500)
	s.until(t, "500 outcomes", func() bool { return len(s.outcomes)+len(s.kept) == 600 })
	s.compareWithLog(t, b.read(t, name))
	persisted, not, maybe := s.count()
	if lib.NoFailureDetails {
		not, maybe = maybe, not
	}
	if !guilty.refused() || not == 0 || maybe != 0 {
		t.Errorf("persisted %d, not persisted %d, possibly %d (a batch was refused: %t)", persisted, not, maybe, guilty.refused())
	}
	if lib.RefusalIsFatal {
		s.reopen(t, lib, config(t, b.addrs, "", small()))
		h = s.topic(t, name)
	}
	if !lib.NoFailureDetails {
		s.resend(t, h, 1)
	}
	if lib.NamesGuilty {
		if persisted, _, _ := s.count(); persisted != 599 {
			t.Errorf("%d of 599 persisted", persisted)
		}
		s.compareWithLog(t, b.read(t, name))
	}
	if lib.NamesGuilty {
		named := 0
		for token, o := range s.outcomes {
			if !o.Guilty {
				continue
			}
			named++
			if code(o.Err) != transport.Code(kerr.InvalidTimestamp.Code) || o.Persistence != transport.NotPersisted {
				t.Errorf("message %d: guilty, %v, persistence %d", token, o.Err, o.Persistence)
			}
		}
		if named != 1 {
			t.Errorf("%d messages are guilty, want 1", named)
		}
	}
}

// resend sends messages again in the original order. resend sends every
// innocent message that is certainly not written, and then the kept messages.
func (s *session) resend(t *testing.T, h transport.Topic, partitions int32) {
	t.Helper()
	s.mu.Lock()
	var again []transport.Token
	for token, o := range s.outcomes {
		if o.Persistence == transport.NotPersisted && o.Message != nil && string(o.Message.Value) != string(value(token)) {
			t.Errorf("message %d comes back as %q", token, o.Message.Value)
		}
		if o.Persistence == transport.NotPersisted && !o.Guilty {
			again = append(again, token)
			delete(s.outcomes, token)
		}
	}
	slices.Sort(again)
	again = append(again, s.kept...)
	s.held, s.kept, s.order = false, nil, map[int32][]transport.Token{}
	total := len(s.outcomes) + len(again)
	s.mu.Unlock()
	for _, token := range again {
		for {
			err := h.Produce(int32(token)%partitions, &transport.Message{Value: value(token)}, token)
			if err == nil {
				break
			}
			if code(err) != transport.Recovering || t.Context().Err() != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
	}
	s.all(t, total)
}

// recordRefusal holds an element after the broker has refused a batch.
type recordRefusal chan struct{}

func (g recordRefusal) refused() bool { return len(g) > 0 }

// refuseOne refuses the next batch that has a record after index. The refusal
// names the record at index.
func refuseOne(t *testing.T, b *producertest.Broker, index int32) recordRefusal {
	t.Helper()
	g := make(recordRefusal, 1)
	b.Cluster().ControlKey(0, func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.Cluster().KeepControl()
		req := r.(*kmsg.ProduceRequest)
		if g.refused() || records(req) <= index+1 {
			return nil, nil, false
		}
		g <- struct{}{}
		return refusal(req, kerr.InvalidTimestamp.Code, index), nil, true
	})
	return g
}

func refuseAll(t *testing.T, b *producertest.Broker) {
	t.Helper()
	b.Cluster().ControlKey(0, func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.Cluster().KeepControl()
		return refusal(r.(*kmsg.ProduceRequest), kerr.InvalidTimestamp.Code, 0), nil, true
	})
}

// records returns the number of records in the first batch of a request.
func records(req *kmsg.ProduceRequest) int32 {
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(req.Topics[0].Partitions[0].Records); err != nil {
		return 0
	}
	return batch.NumRecords
}

// refusal answers every partition of a request with a code and one guilty
// record.
func refusal(req *kmsg.ProduceRequest, code int16, index int32) *kmsg.ProduceResponse {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode, partition.BaseOffset = p.Partition, code, -1
			partition.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{{RelativeOffset: index}}
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
