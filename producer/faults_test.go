package producer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// seed returns a random seed and logs it. AVROLINE_SEED repeats the run of an
// earlier seed.
func seed(t testing.TB) uint64 {
	t.Helper()
	s := rand.Uint64()
	if text := os.Getenv("AVROLINE_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("AVROLINE_SEED: %v", err)
		}
	}
	t.Logf("AVROLINE_SEED=%d", s)
	return s
}

// waitFor waits for d or for the end of the context.
func waitFor(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// callEvery calls f at an interval until the total time is over.
func callEvery(ctx context.Context, d, total time.Duration, f func()) {
	for end := time.Now().Add(total); time.Now().Before(end) && ctx.Err() == nil; {
		f()
		waitFor(ctx, d)
	}
}

const faultTime = 1500 * time.Millisecond

// fastReconnect makes the client reconnect soon after an outage, so that tests
// are short.
func fastReconnect() producer.Option {
	return producer.WithConfig(quickReconnect)
}

type faultCase struct {
	nodes   int
	disturb func(ctx context.Context, b *producertest.Broker, seed uint64) error
	change  func(*workload.Run)
}

func forFaultTime(start func(b *producertest.Broker, seed uint64) *producertest.Fault) func(context.Context, *producertest.Broker, uint64) error {
	return func(ctx context.Context, b *producertest.Broker, seed uint64) error {
		f := start(b, seed)
		waitFor(ctx, faultTime)
		waitForHits(ctx, f, 1) // on a busy machine a rare fault takes longer
		f.Stop()
		if f.Hits() == 0 {
			return fmt.Errorf("the fault befell nothing")
		}
		return nil
	}
}

// Error codes of the protocol, for refusals.
const (
	leaderNotAvailable  = 5
	notLeader           = 6
	requestTimedOut     = 7
	notEnoughReplicas   = 19
	kafkaStorageError   = 56
	coordinatorNotAvail = 15
)

// everything is the fault in which librdkafka sometimes counts a message as
// delivered without an offset. A batch is in the log, its answer is lost, and
// the leader moves. If the next batch reaches the new leader before the first
// batch is sent again, librdkafka takes both batches for delivered. The outcome
// of the first batch is then unknown.
const everything = "everything at once"

// onlyUnknown reports whether Close says that outcomes are unknown, and nothing
// else, and all these messages are in the log.
func onlyUnknown(r *workload.Result) bool {
	var u *producer.UndeliveredError
	return errors.As(r.CloseErr, &u) && *u == producer.UndeliveredError{Unknown: r.Stats.Unknown} && r.Unknown == r.UnknownInLog
}

func faultCases() map[string]faultCase {
	return map[string]faultCase{
		"none": {1, func(context.Context, *producertest.Broker, uint64) error { return nil }, nil},
		"2 % of the answers dropped": {1, forFaultTime(func(b *producertest.Broker, seed uint64) *producertest.Fault {
			return b.LoseAnswers(0.02, seed)
		}), nil},
		"half of the answers dropped": {3, forFaultTime(func(b *producertest.Broker, seed uint64) *producertest.Fault {
			return b.LoseAnswers(0.5, seed)
		}), nil},
		"applied but answered with an error": {3, forFaultTime(func(b *producertest.Broker, seed uint64) *producertest.Fault {
			return b.FailApplied(0.3, seed)
		}), nil},
		"applied but answered with a timeout": {3, forFaultTime(func(b *producertest.Broker, seed uint64) *producertest.Fault {
			return b.Refuse(requestTimedOut, 0.3, seed)
		}), nil},
		"refused for want of replicas": {3, forFaultTime(func(b *producertest.Broker, seed uint64) *producertest.Fault {
			return b.Refuse(notEnoughReplicas, 0.3, seed)
		}), nil},
		"disk errors": {3, forFaultTime(func(b *producertest.Broker, seed uint64) *producertest.Fault {
			return b.Refuse(kafkaStorageError, 0.2, seed)
		}), nil},
		"answers 30 ms late": {3, forFaultTime(func(b *producertest.Broker, _ uint64) *producertest.Fault {
			return b.DelayAnswers(30 * time.Millisecond)
		}), nil},
		"every connection cut each 40 ms": {3, func(ctx context.Context, b *producertest.Broker, _ uint64) error {
			callEvery(ctx, 40*time.Millisecond, faultTime, b.Cut)
			return nil
		}, nil},
		"leaders moved each 200 ms": {3, func(ctx context.Context, b *producertest.Broker, _ uint64) error {
			callEvery(ctx, 200*time.Millisecond, faultTime, b.MoveLeaders)
			return nil
		}, nil},
		"a node removed": {3, func(ctx context.Context, b *producertest.Broker, _ uint64) error {
			waitFor(ctx, faultTime/3)
			if err := b.RemoveNode(1); err != nil {
				return err
			}
			waitFor(ctx, faultTime/3)
			return nil
		}, nil},
		"an outage longer than every timeout": {3, func(ctx context.Context, b *producertest.Broker, _ uint64) error {
			waitFor(ctx, faultTime/3)
			restart := b.Stop()
			waitFor(ctx, 2*faultTime)
			restart()
			return nil
		}, func(w *workload.Run) {
			w.Options = append(w.Options, producer.WithRequestTimeout(200*time.Millisecond),
				producer.WithConfig(shortSocket))
		}},
		"brokers stopped and started": {3, func(ctx context.Context, b *producertest.Broker, _ uint64) error {
			for range 4 {
				waitFor(ctx, 150*time.Millisecond)
				restart := b.Stop()
				waitFor(ctx, 200*time.Millisecond)
				restart()
			}
			return nil
		}, nil},
		"a full buffer, half of the answers dropped": {3, forFaultTime(func(b *producertest.Broker, seed uint64) *producertest.Fault {
			return b.LoseAnswers(0.5, seed)
		}), func(w *workload.Run) {
			w.Rate, w.Messages = 0, 10_000
			w.Options = append(w.Options, producer.WithMaxInFlight(100, 2_000_000))
		}},
		"contexts that end at random, connections cut": {3, func(ctx context.Context, b *producertest.Broker, _ uint64) error {
			callEvery(ctx, 100*time.Millisecond, faultTime, b.Cut)
			return nil
		}, func(w *workload.Run) { w.ShortContexts = true }},
		"callbacks that panic and block, answers dropped": {3, forFaultTime(func(b *producertest.Broker, seed uint64) *producertest.Fault {
			return b.LoseAnswers(0.1, seed)
		}), func(w *workload.Run) { w.BadCallbacks = true; w.Rate = 5_000 }},
		everything: {3, func(ctx context.Context, b *producertest.Broker, seed uint64) error {
			lost, failed := b.LoseAnswers(0.2, seed), b.FailApplied(0.2, seed+1)
			n := 0
			callEvery(ctx, 50*time.Millisecond, 2*faultTime, func() {
				switch n++; n % 4 {
				case 0:
					b.MoveLeaders()
				case 2:
					b.Cut()
				}
			})
			lost.Stop()
			failed.Stop()
			return nil
		}, func(w *workload.Run) { w.ShortContexts = true }},
	}
}

// TestFaults checks the guarantee in every fault. No acked message is missing,
// no message is in the log twice, and no message that is reported not sent is
// in the log. The sequence of each key rises, and every message has exactly one
// outcome.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range faultCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := seed(t)
			b := producertest.Start(t, producertest.WithBrokers(c.nodes), producertest.WithTopic("items", 6))
			w := workload.Run{
				Brokers: b.Addrs(), Topic: "items", Name: "faults", Seed: s,
				Messages: 5_000, Rate: 8_000, Options: []producer.Option{fastReconnect()},
			}
			var disturbed error
			w.Disturb = func(ctx context.Context) { disturbed = c.disturb(ctx, b, s) }
			if c.change != nil {
				c.change(&w)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			r, err := w.Do(ctx)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(r)
			if disturbed != nil {
				t.Error(disturbed)
			}
			if err := r.Err(); err != nil {
				t.Error(err)
			}
			if name == everything && librdkafka && onlyUnknown(r) {
				r.Stats.Unknown, r.CloseErr = 0, nil
			}
			if r.Fatal != nil || r.CloseErr != nil || r.Unbalanced != 0 {
				t.Errorf("fatal %v, close %v, out of balance %d times", r.Fatal, r.CloseErr, r.Unbalanced)
			}
			if int64(r.Acked) > r.Stats.Delivered || r.Stats.InFlight != 0 || r.Stats.Unknown != 0 {
				t.Errorf("stats %+v do not fit", r.Stats)
			}
		})
	}
}

// waitForHits waits until a fault has hit n requests.
func waitForHits(ctx context.Context, f *producertest.Fault, n int) {
	for f.Hits() < n && ctx.Err() == nil {
		waitFor(ctx, 5*time.Millisecond)
	}
}
