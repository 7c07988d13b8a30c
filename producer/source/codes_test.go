package source_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/producer/source"
)

// TestTemporaryCodes refuses three requests for the positions with a code that
// a broker answers for a while. The requests come at the start of a second run,
// and from a new client after a commit in doubt. Each line is published once.
func TestTemporaryCodes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts some fifty producers of a source")
	}
	t.Parallel()
	leader := []*kerr.Error{kerr.UnknownServerError, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, kerr.KafkaStorageError}
	var all sync.WaitGroup
	slots := make(chan struct{}, 12) // most cases only wait for a pause to end
	for _, transport := range []producer.Transport{producer.Confluent, producer.Franz} {
		p, err := producer.New([]string{"127.0.0.1:1"}, copytest.Serializer(t, &workload.Registry{}), producer.WithTransport(transport))
		if err != nil {
			continue // the transport needs cgo
		}
		_ = p.Close(copytest.Ctx(t))
		for key, codes := range map[kmsg.Key][]*kerr.Error{
			kmsg.Metadata:    {kerr.LeaderNotAvailable},
			kmsg.ListOffsets: leader,
			kmsg.Fetch:       append([]*kerr.Error{kerr.OffsetOutOfRange, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch}, leader...),
		} {
			for _, code := range append(codes, kerr.UnknownTopicOrPartition) {
				for _, inDoubt := range []bool{false, true} {
					slots <- struct{}{}
					all.Go(func() {
						defer func() { <-slots }()
						t.Run(fmt.Sprint(transport, " ", key.Name(), " ", code.Message, " ", inDoubt), func(t *testing.T) {
							testTemporaryCode(t, transport, key, code, inDoubt)
						})
					})
				}
			}
		}
	}
	all.Wait()
}

func testTemporaryCode(t *testing.T, transport producer.Transport, key kmsg.Key, code *kerr.Error, inDoubt bool) {
	const invalidTxnState = 48
	log := filepath.Join(t.TempDir(), "log")
	r := newRestarts(t, log)
	if r.Fake == nil {
		t.Skip("needs the faults of the embedded broker")
	}
	var refused *kfake.FaultHandle
	refuse := func() {
		refused = r.Fake.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: r.checkpoints, Err: code, Count: 3})
	}
	opt := source.WithProducer(producer.WithTransport(transport))
	writeLines(t, log, 0, 60)
	if err := r.run(nil, opt); err != nil {
		t.Fatal(err)
	}
	writeLines(t, log, 60, 120)
	if !inDoubt {
		refuse()
	}
	if err := r.run(func(n int64) error {
		if n == 60 && inDoubt && refused == nil {
			r.Fake.RefuseNext(1, invalidTxnState, producertest.EndTxn)
			refuse()
		}
		return nil
	}, opt); err != nil {
		t.Errorf("after %d refused requests: %v", refused.Hits(), err)
	}
	if refused.Hits() == 0 {
		t.Error("no request was refused")
	}
	r.want(repeat(120, 1)...)
}

// TestHealthOfWait refuses every request for the positions. Health reports the
// reason of the wait.
func TestHealthOfWait(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, 10)
	r := newRestarts(t, log)
	if r.Fake == nil {
		t.Skip("needs the faults of the embedded broker")
	}
	refused := r.Fake.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: r.checkpoints, Err: kerr.LeaderNotAvailable, Count: -1})
	s := lines(r.KafkaEnv, r.reg, r.name, r.checkpoints, r.logs)
	done := make(chan error, 1)
	go func() {
		done <- s.Run(copytest.Ctx(t), func(context.Context, *producer.Tx, source.Line) error { return nil })
	}()
	ctx := copytest.Ctx(t)
	for refused.Hits() < 3 && ctx.Err() == nil {
		copytest.WaitFor(ctx, 0)
	}
	if h := source.HealthAfterWait(s); h.Ready || h.Reason == nil || !strings.Contains(h.Reason.Error(), "the positions") {
		t.Errorf("%+v", h)
	}
	refused.Remove()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if h := source.HealthAfterWait(s); !h.Ready {
		t.Errorf("after the wait: %+v", h)
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// stuck is an input whose Next waits until the context ends.
type stuck struct{ waits chan struct{} }

func (s stuck) Open(context.Context, source.Shard, []source.Position) (source.Reader[string], error) {
	return s, nil
}

func (s stuck) Next(ctx context.Context, _ *source.Item[string]) (bool, error) {
	close(s.waits)
	<-ctx.Done()
	return false, ctx.Err()
}

func (stuck) More(context.Context) (bool, error) { return false, nil }
func (stuck) Positions() []source.Position       { return nil }
func (stuck) Close() error                       { return nil }

// TestHealthOfStuckInput checks an input that does not answer, for example a
// database behind a broken network. Health reports the wait.
func TestHealthOfStuckInput(t *testing.T) {
	t.Parallel()
	w := copytest.Brokers(t)
	reg, in := &workload.Registry{}, stuck{make(chan struct{})}
	s, err := source.New(w.Addrs, copytest.NewID(t), in, reg, copytest.Serializer(t, reg), source.WithCheckpoints(compacted(w, 1)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(copytest.Ctx(t))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, func(context.Context, *producer.Tx, string) error { return nil }) }()
	<-in.waits
	if h := source.HealthAfterWait(s); h.Ready || h.Reason == nil || !strings.Contains(h.Reason.Error(), "input") {
		t.Errorf("%+v", h)
	}
	cancel()
	<-done
	if err := s.Close(copytest.Ctx(t)); err != nil {
		t.Error(err)
	}
}
