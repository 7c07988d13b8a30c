package processor_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/copytest"
)

// TestTemporaryCodes refuses four requests of each kind with each code that a
// broker answers for a while, for example during its start. The processor goes
// on and handles each message once.
func TestTemporaryCodes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts some fifty processors")
	}
	t.Parallel()
	var (
		coordinator = []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator}
		inTx        = append([]*kerr.Error{kerr.ConcurrentTransactions}, coordinator...)
		leader      = []*kerr.Error{kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, kerr.KafkaStorageError}
	)
	var all sync.WaitGroup
	slots := make(chan struct{}, 12) // most cases only wait for a pause to end
	for key, codes := range map[kmsg.Key][]*kerr.Error{
		kmsg.FindCoordinator:        {kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable},
		kmsg.InitProducerID:         append([]*kerr.Error{kerr.UnknownServerError, kerr.RequestTimedOut}, inTx...),
		kmsg.AddPartitionsToTxn:     append([]*kerr.Error{kerr.UnknownTopicOrPartition}, inTx...),
		kmsg.Produce:                append([]*kerr.Error{kerr.RequestTimedOut, kerr.NotEnoughReplicas}, leader...),
		kmsg.AddOffsetsToTxn:        inTx,
		kmsg.TxnOffsetCommit:        append([]*kerr.Error{kerr.UnknownTopicOrPartition, kerr.RequestTimedOut}, coordinator...),
		kmsg.EndTxn:                 inTx,
		kmsg.OffsetFetch:            append([]*kerr.Error{kerr.UnstableOffsetCommit}, coordinator...),
		kmsg.ListOffsets:            leader,
		kmsg.Fetch:                  append([]*kerr.Error{kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.ReplicaNotAvailable}, leader...),
		kmsg.Metadata:               {kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable},
		kmsg.ConsumerGroupHeartbeat: coordinator,
	} {
		for _, code := range codes {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				t.Run(fmt.Sprint(key.Name(), " ", code.Message), func(t *testing.T) { testTemporaryCode(t, key, code) })
			})
		}
	}
	all.Wait()
}

func testTemporaryCode(t *testing.T, key kmsg.Key, code *kerr.Error) {
	c := newCopyJob(copytest.Embedded(t), 3)
	c.messages = 20
	c.w.Seed(c.reg, c.in, 60, nil)
	f := kfake.Fault{Keys: []kmsg.Key{key}, Err: code, Count: 4, TopLevel: true}
	switch key {
	case kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata: // not those of the test
		f.Topic, f.TopLevel = c.in, false
	case kmsg.Produce, kmsg.TxnOffsetCommit, kmsg.AddPartitionsToTxn, kmsg.OffsetFetch:
		f.TopLevel = false
	}
	h := c.w.Fake.Cluster().Fault(f)
	if err := run(t, c.processor(copytest.NewID(t)), c.copied(60)); err != nil {
		t.Errorf("after %d refused requests: %v", h.Hits(), err)
	}
	if h.Hits() == 0 && key != kmsg.AddPartitionsToTxn && key != kmsg.AddOffsetsToTxn { // franz needs neither with part 2 of KIP-890
		t.Error("no request was refused")
	}
	c.w.WantExactlyOnce(c.out, 60)
}
