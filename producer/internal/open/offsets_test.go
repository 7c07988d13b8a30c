package open

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestCoordinatorMoved refuses the first requests for the committed offsets,
// like a coordinator that has moved between the join and the request. The
// consumer reads all the same. librdkafka alone never reads (its issue 5586).
func TestCoordinatorMoved(t *testing.T) {
	t.Parallel()
	for _, code := range []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.UnstableOffsetCommit, kerr.StaleMemberEpoch} {
		for _, protocol := range []transport.Protocol{transport.ConsumerProtocol, transport.ClassicProtocol} {
			t.Run(code.Message+"/"+string(protocol), func(t *testing.T) {
				t.Parallel()
				b := producertest.Start(t, producertest.WithTopic("events", 2))
				cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
				if err != nil {
					t.Fatal(err)
				}
				defer cl.Close()
				for partition := range int32(2) {
					if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Partition: partition, Value: []byte("value")}).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}
				refusals := int32(2)
				if code == kerr.StaleMemberEpoch {
					refusals = 1 // each takes ten seconds or more
				}
				var asked atomic.Int32
				b.Cluster().ControlKey(int16(kmsg.OffsetFetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
					b.Cluster().KeepControl()
					if asked.Add(1) > refusals {
						return nil, nil, false
					}
					r := request.(*kmsg.OffsetFetchRequest)
					answer := r.ResponseKind().(*kmsg.OffsetFetchResponse)
					answer.ErrorCode = code.Code
					for _, g := range r.Groups {
						refused := kmsg.NewOffsetFetchResponseGroup()
						refused.Group, refused.ErrorCode = g.Group, code.Code
						answer.Groups = append(answer.Groups, refused)
					}
					return answer, nil, true
				})
				c, err := settings.New(settings.ForProcessor, b.Addrs(), "id", nil)
				if err != nil {
					t.Fatal(err)
				}
				in, err := Consumer(c, transport.Group{ID: "group", Protocol: protocol, Topics: []string{"events"}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = in.Close() }()
				seen := map[int32]int64{}
				for until := time.Now().Add(time.Minute); len(seen) < 2; {
					m, err := in.Poll(t.Context(), time.Second)
					if err != nil || time.Now().After(until) {
						t.Fatalf("%d of 2 messages: %v", len(seen), err)
					}
					if m != nil {
						seen[m.Partition] = m.Offset
					}
				}
				if seen[0] != 0 || seen[1] != 0 || asked.Load() <= refusals {
					t.Errorf("the first offsets are %v, after %d requests", seen, asked.Load())
				}
			})
		}
	}
}
