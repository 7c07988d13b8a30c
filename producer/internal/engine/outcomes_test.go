package engine

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// newEngine makes an engine whose brokers do not exist.
func newEngine(t *testing.T) *Engine {
	t.Helper()
	config, err := settings.New(settings.ForProducer, []string{"127.0.0.1:1"}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(config, Callbacks{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

// TestOutcomesFindTheirMessages checks that an outcome belongs to the message
// with its token, for any order of outcomes and any offsets.
func TestOutcomesFindTheirMessages(t *testing.T) {
	t.Parallel()
	const n = 3 * chunkSize
	for name, order := range map[string]func(i int) int{
		"in order":    func(i int) int { return i },
		"backwards":   func(i int) int { return n - 1 - i },
		"every third": func(i int) int { return i * 31 % n },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newEngine(t)
			k := p.main()
			q := k.topicQueues("t", 2)[1]
			got := make([]int64, n)
			for i := range n {
				q.mu.Lock()
				q.push(&entry{callback: func(d Delivery, err error) {
					switch {
					case err == nil:
						got[i] = d.Offset
					case errors.Is(err, ErrOutcomeUnknown):
						got[i] = -1
					default:
						got[i] = -2
					}
				}})
				p.count.accepted.Add(1)
				p.limit.try(0)
				q.mu.Unlock()
			}
			token := func(i int) transport.Token { return transport.Token(q.number)<<32 | transport.Token(i) }
			// Offsets fall, as in a topic that was deleted and created again.
			// Each token comes once. The producer ignores an unknown token.
			k.Outcomes([]transport.Outcome{{Token: token(n), Persistence: transport.Persisted}, {Token: 77 << 32, Persistence: transport.Persisted}})
			for i := range n {
				o := transport.Outcome{Token: token(order(i)), Partition: 1, Offset: int64(1000 - order(i)), Timestamp: -1, Persistence: transport.Persisted}
				switch order(i) % 10 {
				case 8:
					o.Offset, o.Persistence, o.Err = -1, transport.PossiblyPersisted, &transport.Error{Code: transport.Purged}
				case 9:
					o.Offset, o.Persistence, o.Err = -1, transport.NotPersisted, &transport.Error{Code: transport.InvalidTimestamp}
				}
				k.Outcomes([]transport.Outcome{o, o})
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			if err := p.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				want := int64(1000 - i)
				switch i % 10 {
				case 8:
					want = -1
				case 9:
					want = -2
				}
				if got[i] != want {
					t.Fatalf("message %d has the outcome %d, want %d", i, got[i], want)
				}
			}
			if s := p.Stats(); s.InFlight != 0 || s.Accepted != n || s.Unknown != n/10 || p.limit.messages.Load() != 0 {
				t.Errorf("stats %+v, slots %d", s, p.limit.messages.Load())
			}
			if q.first != nil || q.last != nil {
				t.Error("an empty queue keeps its chunks")
			}
			var u *UndeliveredError
			if err := p.Close(ctx); !errors.As(err, &u) {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// TestOutcomesInRow reports several messages in one outcome, in order and not.
// The numbers of the messages start at 0, or pass 2^32.
func TestOutcomesInRow(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]uint32{"from 0": 0, "past 2^32": math.MaxUint32 - 55} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testOutcomesInRow(t, first)
		})
	}
}

func testOutcomesInRow(t *testing.T, first uint32) {
	p := newEngine(t)
	k := p.main()
	q := k.topicQueues("t", 1)[0]
	q.tail.Store(first)
	q.head.Store(first)
	q.popped = first
	const n = 1000
	var got [n]Delivery
	for i := range n {
		q.mu.Lock()
		q.push(&entry{stamp: noStamp, callback: func(d Delivery, err error) {
			if err != nil || got[i].Topic != "" {
				t.Errorf("message %d: %v, after %+v", i, err, got[i])
			}
			got[i] = d
		}})
		p.count.accepted.Add(1)
		p.limit.try(0)
		q.mu.Unlock()
	}
	row := func(from, to int) transport.Outcome {
		return transport.Outcome{
			Token: transport.Token(first + uint32(from)), More: int32(to - from - 1), Offset: int64(5000 + from), Timestamp: int64(from + 1), Persistence: transport.Persisted,
		}
	}
	for _, list := range [][]transport.Outcome{
		{row(0, 1), row(1, 3), row(3, 40)},
		{row(50, 60), row(70, 71), row(40, 50)}, // the second one comes early
		{row(60, 70), row(71, 72), row(72, 900)},
		{row(901, n), row(900, 901), row(n, n+1)}, // there is no message n
	} {
		k.Outcomes(list)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for i, d := range got {
		if d.Offset != int64(5000+i) || d.Timestamp.IsZero() || d.Timestamp.UnixMilli() > int64(i+1) {
			t.Errorf("message %d: %+v", i, d)
		}
	}
	if s := p.Stats(); s.InFlight != 0 || s.Delivered != n || q.first != nil || q.early != 0 {
		t.Errorf("stats %+v, %d early", s, q.early)
	}
}
