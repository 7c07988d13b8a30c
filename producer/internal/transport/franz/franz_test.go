package franz

import (
	"fmt"
	"os"
	"reflect"
	"testing"

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

// TestIdlePartition checks that a partition without messages has no state of
// its own.
func TestIdlePartition(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 3))
	config := testConfig(t, b.Addrs(), "")
	const rounds, each = 3, 100
	h := new(collector)
	c, err := Open(config, config.BatchBytes, h)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	events, err := c.Topic("events")
	if err != nil {
		t.Fatal(err)
	}
	for round := range rounds {
		h.Lock()
		h.want, h.all = (round+1)*each, make(chan struct{})
		h.Unlock()
		for i := range each {
			if err := events.Produce(int32(i%2), &transport.Message{Value: []byte("v")}, transport.Token(round*each+i)); err != nil {
				t.Fatal(err)
			}
		}
		if p := events.(*topic).at(2); p != nil {
			t.Fatal("partition 2 was never used")
		}
		<-h.all
		events.(*topic).each(func(p *partition) {
			if p.active != &idle || p.handed != p.ended || p.ended != uint64(round+1)*each/2 {
				t.Errorf("partition %d: handed %d, ended %d, own state %t", p.number, p.handed, p.ended, p.active != &idle)
			}
		})
	}
}
