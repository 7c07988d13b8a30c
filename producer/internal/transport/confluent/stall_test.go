//go:build cgo

package confluent

import (
	"fmt"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// fatalCounter counts the fatal errors of a client.
type fatalCounter struct {
	ignoringHandler
	fatal chan *transport.Error
}

func (e *fatalCounter) Fatal(err *transport.Error) { e.fatal <- err }

// TestStalled tells a client that a partition sends its requests again. The
// client ends only if the node of the requests is not the leader, and if the
// same requests go on for some time.
func TestStalled(t *testing.T) {
	t.Parallel()
	const retrying, moving = "drain before retrying", "wait for outstanding requests to finish before producing to new leader"
	for name, c := range map[string]struct {
		wrong     bool   // the node is not the leader
		delivered bool   // a message of the partition, between the lines
		moved     string // the reason of a line between the others
		pause     time.Duration
		ends      bool
	}{
		"another node leads":                 {wrong: true, pause: time.Second, ends: true},
		"another node leads, slow retries":   {wrong: true, pause: 4 * time.Second, ends: true},
		"the node leads":                     {pause: time.Second},
		"messages are delivered":             {wrong: true, delivered: true, pause: time.Second},
		"the partition moves":                {wrong: true, moved: moving, pause: time.Second},
		"the retries belong to other faults": {wrong: true, pause: 10 * time.Second},
	} {
		for _, plugin := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, plugin %t", name, plugin), func(t *testing.T) {
				t.Parallel()
				b := producertest.Start(t, producertest.WithBrokers(3), producertest.WithTopic("events [1]", 2))
				config, err := settings.New(settings.ForProducer, b.Addrs(), "", nil)
				if err != nil {
					t.Fatal(err)
				}
				h := &fatalCounter{fatal: make(chan *transport.Error, 1)}
				k, err := open(config, config.BatchBytes, h, plugin)
				if err != nil {
					t.Fatal(err)
				}
				defer k.Close()
				m, err := k.Metadata(t.Context(), "events [1]")
				if err != nil {
					t.Fatal(err)
				}
				node := m.Partitions[1].Leader
				if c.wrong {
					node = (node + 1) % 3
				}
				now := time.Now()
				line := func(reason string) {
					k.noteRetryLine(fmt.Sprintf("[thrd:sasl_ssl://broker:9092/%d]: events [1] [1] beginning partition drain: %s", node, reason), !c.delivered, now)
					now = now.Add(c.pause)
					for asking := true; asking; time.Sleep(time.Millisecond) { // until the brokers have answered
						k.stalls.mu.Lock()
						r := k.stalls.retries[topicPartition{"events [1]", 1}]
						asking = r != nil && r.asking
						k.stalls.mu.Unlock()
					}
				}
				for range 10 {
					line(retrying)
					if c.moved != "" {
						line(c.moved)
					}
				}
				if c.ends {
					if err := <-h.fatal; err.Code != transport.Code(6) || !err.Fatal {
						t.Errorf("fatal: %v", err)
					} else {
						t.Log(err)
					}
					return
				}
				select {
				case err := <-h.fatal:
					t.Errorf("fatal: %v", err)
				case <-time.After(100 * time.Millisecond):
				}
			})
		}
	}
}

// TestUnrelatedLogLinesAreIgnored gives the client lines that it must ignore.
func TestUnrelatedLogLinesAreIgnored(t *testing.T) {
	t.Parallel()
	c := &client{}
	for _, line := range []string{
		"", "]: ", "[thrd:main]: events [0] beginning partition drain: drain before retrying",
		"[thrd:broker:9092/bootstrap]: events [0] beginning partition drain: drain before retrying",
		"[thrd:broker:9092/1]: events [x] beginning partition drain: drain before retrying",
		"[thrd:broker:9092/1]: events beginning partition drain: drain before retrying",
		"[thrd:broker:9092/99999999999]: events [0] beginning partition drain: drain before retrying",
	} {
		c.noteRetryLine(line, true, time.Now())
	}
	if len(c.stalls.retries) > 0 {
		t.Errorf("%v", c.stalls.retries)
	}
}
