package producer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// The positive controls run the same workload and the same checks, but without
// idempotence or without endless delivery. Each control must find a violation.
// A control without a violation fails, because then the fault tests prove
// nothing.

// TestControlNoIdempotence checks that without idempotence lost answers put
// messages into the log twice.
func TestControlNoIdempotence(t *testing.T) {
	t.Parallel()
	s := seed(t)
	b := producertest.Start(t, producertest.WithBrokers(3), producertest.WithTopic("items", 6))
	f := b.LoseAnswers(0.02, s) // 2 %, from the first message to the last
	defer f.Stop()
	w := workload.Run{
		Brokers: b.Addrs(), Topic: "items", Name: "control", Seed: s, Messages: 30_000, Rate: 15_000,
		Options: []producer.Option{fastReconnect(), producer.WithWeakAcks(producer.AcksAll), producer.WithLinger(time.Millisecond)},
		Disturb: func(ctx context.Context) {
			for f.Hits() < 5 && ctx.Err() == nil {
				waitFor(ctx, 10*time.Millisecond)
			}
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	r, err := w.Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	if r.AckedTwice == 0 {
		t.Errorf("%d answers were lost and no acked message is there twice: this run could not have found a duplicate", f.Hits())
	}
	if r.Lost != 0 || r.Denied != 0 {
		t.Errorf("acks=all without idempotence still loses nothing: %v", r.Err())
	}
}

// TestControlDeliveryTimeout uses a delivery timeout that is shorter than the
// outage. An idempotent client then gives up messages that are in the log, and
// goes on with a new producer id. So acked messages are in the log twice, or
// the client ends with a fatal error.
func TestControlDeliveryTimeout(t *testing.T) {
	t.Parallel()
	if !librdkafka {
		t.Skip("franz-go gives nothing up that may be in the log")
	}
	s := seed(t)
	b := producertest.Start(t, producertest.WithBrokers(3), producertest.WithTopic("items", 6))
	w := workload.Run{
		Brokers: b.Addrs(), Topic: "items", Name: "control", Seed: s, Messages: 10_000, Rate: 8_000,
		Options: []producer.Option{fastReconnect(), producer.WithDeliveryTimeout(500 * time.Millisecond), producer.WithLinger(time.Millisecond)},
		Disturb: func(ctx context.Context) {
			f := b.LoseAnswers(0.5, s)
			defer f.Stop()
			waitFor(ctx, 4*time.Second)
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	r, err := w.Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r, r.Fatal)
	if r.AckedTwice == 0 && !errors.Is(r.Fatal, producer.ErrFatal) {
		t.Error("a delivery timeout in an outage left no trace: this run could not have found one")
	}
	var u *producer.UndeliveredError
	if r.Stats.Unknown > 0 && (!errors.As(r.CloseErr, &u) || u.Unknown != r.Stats.Unknown) {
		t.Errorf("close said %v of %d messages of unknown outcome", r.CloseErr, r.Stats.Unknown)
	}
}
