//go:build cgo

package open

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestCloseAfterJoinAgain closes a consumer that has just begun to join its
// group again. The group keeps no member, as in TestCloseDuringJoin.
func TestCloseAfterJoinAgain(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("in", 3))
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	config, err := settings.New(settings.ForProcessor, b.Addrs(), "id", nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := consumeConfluent(config, transport.Group{ID: "group", Protocol: transport.ConsumerProtocol, Topics: []string{"in"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := opened.(*confluentConsumer)
	poll := func(ok func() bool) {
		t.Helper()
		for !ok() {
			if _, err := in.Poll(t.Context(), time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
	}
	poll(func() bool {
		parts, err := in.Assignment()
		return err == nil && len(parts) == 3
	})
	slow := b.DelayAnswers(300*time.Millisecond, producertest.Request(kmsg.ConsumerGroupHeartbeat))
	in.joinAgain()
	poll(func() bool { return slow.Hits() >= 2 }) // it has left, and joins
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	slow.Stop()
	if n := countMembers(t, cl, transport.ConsumerProtocol, "group"); n > 0 {
		t.Errorf("the group has %d members", n)
	}
}
