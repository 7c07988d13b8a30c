package producer

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/google/uuid"

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

// TestGuard: reports that cannot belong to the messages in flight stop the producer with a fatal error, and what is in
// flight is of unknown outcome: never matched with the wrong report.
func TestGuard(t *testing.T) {
	t.Parallel()
	type report struct {
		partition int32
		offset    int64
	}
	for name, c := range map[string]struct {
		topic   string
		sent    int // messages to partition 0
		reports []report
		fatal   string // "": none
		told    string // outcomes in order: d delivered, u unknown
	}{
		"in order":                               {"t", 3, []report{{0, 5}, {0, 6}, {0, 9}}, "", "ddd"},
		"a duplicate that the broker recognised": {"t", 3, []report{{0, 5}, {0, -1}, {0, 6}}, "", "ddd"},
		"one too many":                           {"t", 1, []report{{0, 5}, {0, 6}}, "nothing is in flight", "d"},
		"falling offset":                         {"t", 3, []report{{0, 5}, {0, 4}, {0, 6}}, "out of order: offset 4 after 5", "duu"},
		"the same offset":                        {"t", 3, []report{{0, 5}, {0, 5}}, "out of order", "duu"},
		"a partition without a ring":             {"t", 1, []report{{7, 0}}, "nothing was sent", "u"},
		"no partition":                           {"t", 1, []report{{-1, 0}}, "nothing was sent", "u"},
		"another topic":                          {"other", 2, []report{{0, 0}}, "nothing was sent", "uu"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ser, err := serde.NewSerializer(noRegistry{})
			if err != nil {
				t.Fatal(err)
			}
			p, err := New([]string{"127.0.0.1:1"}, ser)
			if err != nil {
				t.Fatal(err)
			}
			k := p.core.main()
			r := k.rings("t", 2)[0]
			var told strings.Builder
			for range c.sent {
				r.mu.Lock()
				r.push(&entry{callback: func(_ Delivery, err error) {
					switch {
					case err == nil:
						told.WriteByte('d')
					case errors.Is(err, ErrOutcomeUnknown) && errors.Is(err, ErrFatal):
						told.WriteByte('u')
					default:
						t.Errorf("outcome %v", err)
					}
				}})
				p.core.count.accepted.Add(1)
				p.core.limit.try(0)
				r.mu.Unlock()
			}
			handled := make(chan struct{})
			k.control <- func(l *eventLoop) {
				defer close(handled)
				for _, report := range c.reports {
					l.handle(&kafka.Message{TopicPartition: kafka.TopicPartition{
						Topic: &c.topic, Partition: report.partition, Offset: kafka.Offset(report.offset),
					}})
				}
				l.settle()
			}
			<-handled
			if err := p.Err(); c.fatal == "" && err != nil || c.fatal != "" && (!errors.Is(err, ErrFatal) || !strings.Contains(err.Error(), c.fatal)) {
				t.Errorf("Err() is %v, want %q", err, c.fatal)
			}
			err = p.Close(t.Context())
			if told.String() != c.told {
				t.Errorf("outcomes %q, want %q", told.String(), c.told)
			}
			var u *UndeliveredError
			if lost := int64(strings.Count(c.told, "u")); lost > 0 && (!errors.As(err, &u) || u.Unknown != lost || !errors.Is(err, ErrFatal)) {
				t.Errorf("Close: %v", err)
			} else if lost == 0 && err != nil && c.fatal == "" {
				t.Errorf("Close: %v", err)
			}
			if s := p.Stats(); s.InFlight != 0 || s.Accepted != int64(c.sent) || p.core.limit.messages.Load() != 0 {
				t.Errorf("stats %+v, slots %d", s, p.core.limit.messages.Load())
			}
		})
	}
}
