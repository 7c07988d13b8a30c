package producer_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestAdvertisedAddress lets the cluster name an address that cannot be reached
// from here. The errors name the address, and say where the address comes from.
func TestAdvertisedAddress(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 1))
	cluster := b.Cluster()
	topic := cluster.TopicInfo("events")
	cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		broker := kmsg.NewMetadataResponseBroker()
		broker.Host, broker.Port = "127.0.0.1", 1
		resp.Brokers = append(resp.Brokers, broker)
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Replicas, p.ISR = []int32{0}, []int32{0}
		events := kmsg.NewMetadataResponseTopic()
		events.Topic, events.TopicID = kmsg.StringPtr("events"), topic.TopicID
		events.Partitions = append(events.Partitions, p)
		resp.Topics = append(resp.Topics, events)
		return resp, nil, true
	})
	p := newProducer(t, b.Addrs())
	events := producer.NewTopic("events", producer.NoKey[*event]())
	if err := events.PublishAsync(waitCtx(t), p, &event{}, nil); err != nil {
		t.Fatal(err)
	}
	h := waitForHealth(t, p, "an unreachable broker", func(h producer.Health) bool { return errors.Is(h.Reason, producer.ErrUnreachable) })
	ended, cancel := context.WithCancel(waitCtx(t))
	cancel()
	for _, err := range []error{h.Reason, p.Flush(ended)} {
		if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "advertised.listeners") {
			t.Errorf("%v", err)
		}
	}
	_ = p.Close(ended)
}
