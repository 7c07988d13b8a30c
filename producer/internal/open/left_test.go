package open

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestCloseDuringJoin closes consumers while they join a group. If the group
// kept such a member, the next consumer would get no partitions until the
// session of the member ended, after 45 seconds.
func TestCloseDuringJoin(t *testing.T) {
	t.Parallel()
	for _, protocol := range []transport.Protocol{transport.ClassicProtocol, transport.ConsumerProtocol} {
		t.Run(string(protocol), func(t *testing.T) {
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
			requests := map[string]kmsg.Key{"join": kmsg.JoinGroup, "sync": kmsg.SyncGroup}
			if protocol == transport.ConsumerProtocol {
				requests = map[string]kmsg.Key{"heartbeat": kmsg.ConsumerGroupHeartbeat}
			}
			for group, key := range requests {
				slow := b.DelayAnswers(300*time.Millisecond, producertest.Request(key))
				in, err := Consumer(config, transport.Group{ID: group, Protocol: protocol, Topics: []string{"in"}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				for slow.Hits() == 0 {
					if _, err := in.Poll(t.Context(), time.Millisecond); err != nil {
						t.Fatal(err)
					}
				}
				if err := in.Close(); err != nil {
					t.Fatal(err)
				}
				slow.Stop()
				if n := countMembers(t, cl, protocol, group); n > 0 {
					t.Errorf("closed during the %s: the group has %d members", group, n)
				}
			}
		})
	}
}

// countMembers asks the brokers for the number of members of a group.
func countMembers(t *testing.T, cl *kgo.Client, protocol transport.Protocol, group string) int {
	t.Helper()
	if protocol == transport.ConsumerProtocol {
		groups, err := kadm.NewClient(cl).DescribeConsumerGroups(t.Context(), group)
		if err != nil {
			t.Fatal(err)
		}
		return len(groups[group].Members)
	}
	groups, err := kadm.NewClient(cl).DescribeGroups(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	return len(groups[group].Members)
}
