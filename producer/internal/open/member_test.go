package open

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestMember checks that Assigned comes before the first message, and that
// Member then identifies the member. A member of a classic group has no place
// before, and no offset may be committed for it.
func TestMember(t *testing.T) {
	t.Parallel()
	for _, protocol := range []transport.Protocol{transport.ConsumerProtocol, transport.ClassicProtocol} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			b := producertest.Start(t, producertest.WithTopic("events", 1))
			cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: []byte("value")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			away := b.Refuse(kerr.CoordinatorLoadInProgress.Code, 1, 1, producertest.Request(kmsg.JoinGroup))
			c, err := settings.New(settings.ForProcessor, b.Addrs(), "id", nil)
			if err != nil {
				t.Fatal(err)
			}
			var in transport.Consumer
			member := func() transport.GroupMember {
				m, err := in.Member()
				if err != nil {
					t.Error(err)
				}
				return m
			}
			var assigned []transport.GroupMember
			in, err = Consumer(c, transport.Group{
				ID: "group", Protocol: protocol, Topics: []string{"events"}, Assigned: func() { assigned = append(assigned, member()) },
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = in.Close() }()
			if protocol == transport.ClassicProtocol && member().Refusal() == nil {
				t.Error("a member without a place may commit offsets")
			}
			away.Stop()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for {
				m, err := in.Poll(ctx, time.Second)
				if err != nil || ctx.Err() != nil {
					t.Fatal("no message came:", err)
				}
				if m != nil {
					break
				}
			}
			now := member()
			if now.Refusal() != nil {
				t.Errorf("the member has a place: %v", now.Refusal())
			}
			if len(assigned) == 0 || !reflect.DeepEqual(assigned[len(assigned)-1], now) {
				t.Errorf("%d calls of Assigned, the member has changed since", len(assigned))
			}
		})
	}
}
