package prom

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/prom/internal/catalog"
)

// topics holds the counters of each topic.
type topics struct {
	limit int
	all   sync.Map // name → *topic

	mu    sync.Mutex
	named int
	other *topic
}

// topic counts the messages of a topic.
type topic struct {
	name     string
	plain    message // the token of messages outside of transactions
	inTx     message // the token of messages in transactions
	delivery prometheus.Observer
	onWire   prometheus.Observer
	bytes    atomic.Int64
	outcomes [len(outcomes)]atomic.Int64
	refused  map[producer.Reason]*atomic.Int64 // every reason; never changed
}

// message is the token of many messages of a topic, so that a message allocates
// nothing.
type message struct {
	*topic
	transactional bool
}

func newTopic(name string, m *Metrics) *topic {
	t := &topic{name: name, refused: map[producer.Reason]*atomic.Int64{}}
	t.plain, t.inTx = message{t, false}, message{t, true}
	t.delivery, t.onWire = m.delivery.WithLabelValues(name), m.onWire.WithLabelValues(name)
	for _, r := range producer.Reasons() {
		t.refused[r] = new(atomic.Int64)
	}
	return t
}

// outcomes are the values of the label outcome.
var outcomes = [...]string{"delivered", "not_sent", "unknown", "aborted"} //nolint:gochecknoglobals // a table, never changed

const (
	delivered = iota
	notSent
	unknown
	aborted
)

// find returns the counters of a topic. All topics beyond the limit share the
// same counters. Hooks also get the messages that are refused for a wrong topic
// name, so the name may have any bytes.
func (t *topics) find(name string, m *Metrics) *topic {
	if known, ok := t.all.Load(name); ok {
		return known.(*topic)
	}
	name = label(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.all.Load(name); ok {
		return known.(*topic)
	}
	if t.named >= t.limit || name == OtherTopics {
		if t.other == nil {
			t.other = newTopic(OtherTopics, m)
		}
		return t.other
	}
	t.named++
	made := newTopic(name, m)
	t.all.Store(name, made)
	return made
}

func (t *topics) collect(ch chan<- prometheus.Metric) {
	t.all.Range(func(_, known any) bool {
		known.(*topic).collect(ch)
		return true
	})
	t.mu.Lock()
	other := t.other
	t.mu.Unlock()
	if other != nil {
		other.collect(ch)
	}
}

// collect sends every outcome, even with the count 0, because a rate needs a
// first sample. A reason is sent only after a message was refused for the
// reason.
func (t *topic) collect(ch chan<- prometheus.Metric) {
	for i := range outcomes {
		ch <- sample(catalog.Messages, float64(t.outcomes[i].Load()), t.name, outcomes[i])
	}
	for reason, count := range t.refused {
		if n := count.Load(); n > 0 {
			ch <- sample(catalog.Refused, float64(n), t.name, string(reason))
		}
	}
	ch <- sample(catalog.MessageBytes, float64(t.bytes.Load()), t.name)
}
