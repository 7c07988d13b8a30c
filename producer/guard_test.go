package producer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

type noRegistry struct{}

var errNoRegistry = errors.New("no registry in this test")

func (noRegistry) Register(context.Context, string, contract.Schema) (contract.Version, error) {
	return contract.Version{}, errNoRegistry
}

func (noRegistry) Lookup(context.Context, string, contract.Schema) (contract.Version, error) {
	return contract.Version{}, errNoRegistry
}

func (noRegistry) Latest(context.Context, string) (contract.Version, error) {
	return contract.Version{}, errNoRegistry
}

func (noRegistry) SchemaByID(context.Context, string, int) (contract.Version, error) {
	return contract.Version{}, errNoRegistry
}

func (noRegistry) SchemaByGUID(context.Context, uuid.UUID) (contract.Version, error) {
	return contract.Version{}, errNoRegistry
}

// TestOutcomesFindTheirMessages checks that an outcome belongs to the message
// with its token, for any order of outcomes and any offsets.
func TestOutcomesFindTheirMessages(t *testing.T) {
	t.Parallel()
	const n = 3 * chunkSize
	ser, err := serde.NewSerializer(noRegistry{})
	if err != nil {
		t.Fatal(err)
	}
	for name, order := range map[string]func(i int) int{
		"in order":    func(i int) int { return i },
		"backwards":   func(i int) int { return n - 1 - i },
		"every third": func(i int) int { return i * 31 % n },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := New([]string{"127.0.0.1:1"}, ser)
			if err != nil {
				t.Fatal(err)
			}
			k := p.core.main()
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
				p.core.count.accepted.Add(1)
				p.core.limit.try(0)
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
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
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
			if s := p.Stats(); s.InFlight != 0 || s.Accepted != n || s.Unknown != n/10 || p.core.limit.messages.Load() != 0 {
				t.Errorf("stats %+v, slots %d", s, p.core.limit.messages.Load())
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
