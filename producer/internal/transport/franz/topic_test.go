package franz

import (
	"slices"
	"sync"
	"testing"

	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/transporttest"
	"github.com/avroline/avroline/producer/producertest"
)

// collector keeps the outcomes of a client.
type collector struct {
	sync.Mutex
	outcomes []transport.Outcome // one for each message
	reports  int                 // number of outcomes, of one or more messages
	all      chan struct{}       // closed after want outcomes
	want     int
}

func (c *collector) Outcomes(list []transport.Outcome) {
	c.Lock()
	defer c.Unlock()
	c.reports += len(list)
	c.outcomes = slices.AppendSeq(c.outcomes, transporttest.Single(list))
	if len(c.outcomes) == c.want {
		close(c.all)
	}
}
func (*collector) Trouble(*transport.Error)                {}
func (*collector) Refused(string, int32, *transport.Error) {}
func (*collector) Fatal(*transport.Error)                  {}

// TestTopicMissing gives messages of a topic that does not exist to a client.
// Every message ends with the code of a missing topic, also the messages that
// wait for the loading of the topic.
func TestTopicMissing(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("other", 1))
	config := testConfig(t, b.Addrs(), "")
	h := &collector{all: make(chan struct{}), want: 90}
	_, topic := openTopic(t, config, config.BatchBytes, h, "missing")
	for i := range h.want {
		if err := topic.Produce(int32(i%3), &transport.Message{Value: []byte("v")}, transport.Token(i)); err != nil {
			t.Fatal(err)
		}
	}
	<-h.all
	seen := map[transport.Token]bool{}
	for _, o := range h.outcomes {
		if e := convert(o.Err); e.Code != codeUnknownTopic || o.Persistence != transport.NotPersisted || o.Message == nil || seen[o.Token] {
			t.Errorf("message %d: %v, persistence %d, copy %t, twice %t", o.Token, o.Err, o.Persistence, o.Message != nil, seen[o.Token])
		}
		seen[o.Token] = true
	}
}
