package franz

import (
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/transporttest"
	"github.com/avroline/avroline/producer/producertest"
)

// TestMain fails if a test has written to the state that all idle partitions
// share.
func TestMain(m *testing.M) {
	code := m.Run()
	if !reflect.DeepEqual(idle, active{}) {
		fmt.Printf("FAIL: a partition wrote to the state of idle partitions: %+v\n", idle)
		code = 1
	}
	os.Exit(code)
}

func TestTransport(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, transporttest.Library{Open: Open, NamesGuilty: true, NothingUncertainExpires: true})
}

// openTopic opens a client, and a topic of the client. The end of the test
// closes the client.
func openTopic(t *testing.T, config *settings.Config, batchBytes int, h transport.Handler, name string) (transport.Client, *topic) {
	t.Helper()
	c, err := Open(config, batchBytes, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	opened, err := c.Topic(name)
	if err != nil {
		t.Fatal(err)
	}
	return c, opened.(*topic)
}

// TestIdlePartition checks that a partition without messages has no state of
// its own.
func TestIdlePartition(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 3))
	config := testConfig(t, b.Addrs(), "")
	const rounds, each = 3, 100
	h := new(collector)
	_, events := openTopic(t, config, config.BatchBytes, h, "events")
	for round := range rounds {
		h.Lock()
		h.want, h.all = (round+1)*each, make(chan struct{})
		h.Unlock()
		for i := range each {
			if err := events.Produce(int32(i%2), &transport.Message{Value: []byte("v")}, transport.Token(round*each+i)); err != nil {
				t.Fatal(err)
			}
		}
		if p := events.at(2); p != nil {
			t.Fatal("partition 2 was never used")
		}
		<-h.all
		events.each(func(p *partition) {
			if p.active != &idle {
				t.Errorf("partition %d: %+v", p.number, p.active)
			}
		})
	}
}
