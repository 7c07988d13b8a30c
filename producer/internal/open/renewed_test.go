package open

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestTopicCreatedAgain deletes a topic and creates it again while a consumer
// reads it. The consumer reads the new topic.
func TestTopicCreatedAgain(t *testing.T) {
	t.Parallel()
	for _, library := range []string{"default", "franz"} {
		for _, protocol := range []transport.Protocol{transport.ConsumerProtocol, transport.ClassicProtocol} {
			t.Run(library+"/"+string(protocol), func(t *testing.T) {
				t.Parallel()
				b := producertest.Start(t, producertest.WithTopic("events", 2), producertest.WithConfig("group.consumer.heartbeat.interval.ms", "500"))
				cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.DefaultProduceTopic("events"), kgo.MetadataMinAge(10*time.Millisecond))
				if err != nil {
					t.Fatal(err)
				}
				defer cl.Close()
				in := openConsumer(t, b, library, protocol, func(c *settings.Config) { c.MetadataMaxAge = time.Second })
				until := func(value string) {
					t.Helper()
					for end := time.Now().Add(2 * time.Minute); ; {
						cl.Produce(t.Context(), &kgo.Record{Value: []byte(value)}, nil)
						m, err := in.Poll(t.Context(), 300*time.Millisecond)
						if err != nil || time.Now().After(end) {
							t.Fatalf("no message with the value %s: %v", value, err)
						}
						if m != nil && string(m.Value) == value {
							return
						}
					}
				}
				until("old")
				if err := cl.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := kadm.NewClient(cl).DeleteTopic(t.Context(), "events"); err != nil {
					t.Fatal(err)
				}
				if err := b.CreateTopic("events", 2, nil); err != nil {
					t.Fatal(err)
				}
				cl.PurgeTopicsFromProducing("events")
				until("new")
			})
		}
	}
}
