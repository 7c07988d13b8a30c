package franz

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestLargeBatches writes batches that the connection gets in parts, in the
// clear and over TLS, also while connections are cut.
func TestLargeBatches(t *testing.T) {
	t.Parallel()
	identity := httptest.NewTLSServer(nil) // only for its certificate
	t.Cleanup(identity.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: identity.Certificate().Raw})
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("TLS ", secure), func(t *testing.T) {
			t.Parallel()
			opts := []producertest.Option{producertest.WithTopic("events", 3)}
			if secure {
				opts = append(opts, producertest.WithTLS(&tls.Config{Certificates: identity.TLS.Certificates, MinVersion: tls.VersionTLS12}))
			}
			b := producertest.Start(t, opts...)
			config := testConfig(t, b.Addrs(), "")
			if secure {
				config.TLS = &settings.TLS{CA: ca}
			}
			const messages = 300
			h := &collector{all: make(chan struct{}), want: messages}
			client, events := openTopic(t, config, config.BatchBytes, h, "events")
			value := func(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%d,", i), 10_000) }
			for i := range messages {
				if err := events.Produce(int32(i%3), &transport.Message{Value: value(i)}, transport.Token(i)); err != nil {
					t.Fatal(err)
				}
				if i%100 == 50 {
					b.Cut()
				}
			}
			<-h.all
			for _, o := range h.outcomes {
				if o.Persistence != transport.Persisted {
					t.Errorf("%+v", o)
				}
			}
			client.Close()
			if secure { // the reader has no TLS
				return
			}
			next := [3]int{0, 1, 2}
			for r, err := range logread.All(t.Context(), b.Addrs(), "events") {
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(r.Value, value(next[r.Partition])) {
					t.Fatalf("partition %d: offset %d has other bytes than message %d", r.Partition, r.Offset, next[r.Partition])
				}
				next[r.Partition] += 3
			}
			if next != [3]int{messages, messages + 1, messages + 2} {
				t.Errorf("the log ends before the messages %v", next)
			}
		})
	}
}

// TestBacklog writes more than fits into a request at once. No batch needs a
// second attempt.
func TestBacklog(t *testing.T) {
	t.Parallel()
	const partitions = 15
	b := producertest.Start(t, producertest.WithTopic("events", partitions))
	config := testConfig(t, b.Addrs(), "")
	h := &collector{all: make(chan struct{}), want: partitions}
	c, events := openTopic(t, config, config.BatchBytes, h, "events")
	deliverEach(t, events, h, make([]byte, 900_000))
	sent := int64(0)
	for _, broker := range c.(*client).brokers.List() {
		sent += broker.Traffic.BytesSent
		if n := broker.Traffic.Retries; n > 0 {
			t.Errorf("broker %d got %d batches again", broker.ID, n)
		}
	}
	if sent < partitions*900_000 {
		t.Errorf("%d bytes are sent", sent)
	}
}

// deliverEach delivers a value to each partition. The number of partitions is
// h.want.
func deliverEach(t *testing.T, events *topic, h *collector, value []byte) {
	t.Helper()
	for i := range h.want {
		if err := events.Produce(int32(i), &transport.Message{Value: value}, transport.Token(i)); err != nil {
			t.Fatal(err)
		}
	}
	<-h.all
	for _, o := range h.outcomes {
		if o.Persistence != transport.Persisted {
			t.Errorf("%+v", o)
		}
	}
}
