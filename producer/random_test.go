package producer_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

var randomRuns = flag.Int("random", 3, "runs of TestRandomFaults")

// TestRandomFaults disturbs a producer with random faults, and checks the same
// guarantee as TestFaults. The faults overlap. A batch has lost answers and
// refusals of several kinds, in any order.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	for name, options := range transports() {
		for range *randomRuns {
			s := seed(t)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				testRandomFaults(t, s, name, options)
			})
		}
	}
}

func testRandomFaults(t *testing.T, seed uint64, transport string, options []producer.Option) {
	rng := rand.New(rand.NewPCG(seed, 0))
	if transport == "franz" {
		options = append(options, producer.WithRetryBackoff(10*time.Millisecond, 50*time.Millisecond))
	} else {
		options = append(options, fastReconnect())
	}
	b := producertest.Start(t, producertest.WithBrokers(3), producertest.WithTopic("items", 6))
	if rng.IntN(2) == 0 {
		options = append(options, producer.WithBatchSize(2000))
	}
	if rng.IntN(3) == 0 && transport == "franz" { // librdkafka gives up messages that may be in the log
		options = append(options, producer.WithDeliveryTimeout(time.Duration(100+rng.IntN(900))*time.Millisecond))
	}
	w := workload.Run{
		Brokers: b.Addrs(), Topic: "items", Name: "random", Seed: seed, Messages: 5_000, Rate: 6_000, Options: options,
		ShortContexts: rng.IntN(2) == 0,
	}
	codes := []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.KafkaStorageError,
		kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.UnknownServerError, kerr.InvalidRecord,
	}
	if transport == "franz" { // librdkafka may write a batch twice if a broker gives such a code without a reason
		codes = append(codes, kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID)
	}
	w.Disturb = func(ctx context.Context) {
		for range 20 {
			end := randomFault(rng, b, codes)
			waitFor(ctx, time.Duration(rng.IntN(80))*time.Millisecond)
			if rng.IntN(2) == 0 {
				defer end()
			} else {
				end()
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := w.Do(ctx)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	t.Log(r)
	if err := r.Err(); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	if r.Fatal != nil || r.Unbalanced != 0 || r.Stats.InFlight != 0 {
		t.Errorf("seed %d: fatal %v, out of balance %d times, %d in flight", seed, r.Fatal, r.Unbalanced, r.Stats.InFlight)
	}
}

// randomFault begins a fault.
func randomFault(rng *rand.Rand, b *producertest.Broker, codes []*kerr.Error) (end func()) {
	share := 0.1 + 0.9*rng.Float64()
	switch rng.IntN(7) {
	case 0:
		return b.LoseAnswers(share/2, rng.Uint64()).Stop
	case 1:
		return b.FailApplied(share/2, rng.Uint64()).Stop
	case 2:
		return b.DelayAnswers(time.Duration(rng.IntN(200)) * time.Millisecond).Stop
	case 3:
		b.MoveLeaders()
	case 4:
		b.Cut()
	case 5:
		return b.Stop()
	default:
		return b.Refuse(codes[rng.IntN(len(codes))].Code, share, rng.Uint64(), producertest.Produce).Stop
	}
	return func() {}
}
