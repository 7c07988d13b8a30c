package producer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestPermissionGrantedLate refuses the producer id for lack of a permission.
// The messages are not sent, and the producer is not ready. After the
// permission is granted, the same producer publishes.
func TestPermissionGrantedLate(t *testing.T) {
	t.Parallel()
	for through, opts := range transports() {
		t.Run(through, func(t *testing.T) {
			t.Parallel()
			ctx := waitCtx(t)
			b := startBroker(t, producertest.WithTopic("events", 1))
			refused := b.Refuse(kerr.ClusterAuthorizationFailed.Code, 1, 0, producertest.InitProducerID)
			p, err := producer.New(b.Addrs(), newSerializer(t), opts...)
			if err != nil {
				t.Fatal(err)
			}
			events := producer.NewTopic("events", producer.NoKey[*event]())
			for range 3 {
				_, err := events.Publish(ctx, p, &event{})
				if !errors.Is(err, producer.ErrNotSent) || producer.ReasonOf(err) != producer.ReasonPermission {
					t.Fatalf("published without permission: %v", err)
				}
			}
			for h := p.Health(); h.Ready || producer.ReasonOf(h.Reason) != producer.ReasonPermission; h = p.Health() {
				if ctx.Err() != nil {
					t.Fatalf("health: %+v", h)
				}
				time.Sleep(10 * time.Millisecond)
			}
			refused.Stop()
			for {
				_, err := events.Publish(ctx, p, &event{})
				if err == nil {
					break
				}
				if producer.ReasonOf(err) != producer.ReasonPermission || p.Err() != nil {
					t.Fatalf("with the permission: %v", err)
				}
			}
			if h := p.Health(); !h.Ready {
				t.Errorf("health: %+v", h)
			}
			var undelivered *producer.UndeliveredError
			if err := p.Close(ctx); !errors.As(err, &undelivered) || undelivered.Unknown != 0 {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// TestFatalErrorOutcomes checks a fatal error of the client. Every accepted
// message has exactly one true outcome, the producer reports its end at once,
// and no call waits.
func TestFatalErrorOutcomes(t *testing.T) {
	t.Parallel()
	b := startBroker(t, producertest.WithTopic("events", 3))
	p := newProducer(t, b.Addrs(), producer.WithMaxInFlight(50, 1_000_000), producer.WithoutRecovery())
	ctx := waitCtx(t)
	events := producer.NewTopic("events", producer.KeyBy(byKey))
	if _, err := events.Publish(ctx, p, &event{}); err != nil {
		t.Fatal(err)
	}
	slow := b.DelayAnswers(200 * time.Millisecond) // keeps messages in flight
	defer slow.Stop()
	outcomes := make(chan error, 100)
	accepted := 0
	blocked := make(chan error, 1)
	for range 50 {
		if err := events.PublishAsync(ctx, p, &event{}, func(_ producer.Delivery, err error) { outcomes <- err }); err != nil {
			t.Fatal(err)
		}
		accepted++
	}
	go func() { blocked <- events.PublishAsync(ctx, p, &event{}, nil) }()
	p.FailForTest("a test's doing")
	if err := <-blocked; err != nil && (!errors.Is(err, producer.ErrFatal) || !errors.Is(err, producer.ErrNotSent)) {
		t.Errorf("the blocked one: %v", err)
	}
	for range accepted {
		if err := <-outcomes; err != nil && !errors.Is(err, producer.ErrOutcomeUnknown) && !errors.Is(err, producer.ErrNotSent) {
			t.Errorf("outcome %v", err)
		}
	}
	if err := p.Err(); !errors.Is(err, producer.ErrFatal) {
		t.Errorf("Err: %v", err)
	}
	if err := events.PublishAsync(ctx, p, &event{}, nil); !errors.Is(err, producer.ErrFatal) || !errors.Is(err, producer.ErrNotSent) {
		t.Errorf("publish after: %v", err)
	}
	s := p.Stats()
	if s.InFlight != 0 {
		t.Errorf("stats %+v", s)
	}
	if s.NotSent+s.Unknown == 0 { // all answers came in time
		return
	}
	if u := closeWithLosses(t, p); u == nil || u.Unknown != s.Unknown || u.NotSent != s.NotSent {
		t.Errorf("close: %v, stats %+v", u, s)
	}
}

// TestRecovery checks that the producer goes on after fatal errors. A message
// that may be in the log is unknown and is in the log at most once. A message
// that is certainly not in the log is sent again. No message is out of order.
func TestRecovery(t *testing.T) {
	t.Parallel()
	s := seed(t)
	b := startBroker(t, producertest.WithBrokers(3), producertest.WithTopic("items", 6))
	var p *producer.Producer
	w := workload.Run{
		Brokers: b.Addrs(), Topic: "items", Name: "recovery", Seed: s, Messages: 10_000, Rate: 8_000,
		Options: []producer.Option{fastReconnect()},
		Started: func(started *producer.Producer) { p = started },
		Disturb: func(ctx context.Context) {
			f := b.FailApplied(0.2, s)
			defer f.Stop()
			for range 5 {
				waitFor(ctx, 200*time.Millisecond)
				p.FailForTest("a test's doing")
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
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Fatal != nil || r.NotSent > 400 || r.Acked < 8_000 {
		t.Errorf("it did not go on: fatal %v, %v", r.Fatal, r)
	}
	var u *producer.UndeliveredError
	if r.Unknown > 0 && (!errors.As(r.CloseErr, &u) || u.Unknown != int64(r.Unknown)) {
		t.Errorf("close: %v", r.CloseErr)
	}
}
