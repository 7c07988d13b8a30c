package producer_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// TestHookPanics lets every hook panic. The messages are delivered all the
// same, and the other hooks see them. A message whose Start panicked comes to
// no other function of the same hooks.
func TestHookPanics(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name := w.topic("events", 1)
	var mu sync.Mutex
	panics := map[string]int{}
	var good, outcomes, called atomic.Int64
	failed := producer.WithFailureHandler(func(_ producer.Delivery, err error) {
		var p *producer.PanicError
		if errors.As(err, &p) {
			mu.Lock()
			defer mu.Unlock()
			panics[p.In]++
		}
	})
	p := newProducer(t, w.addrs, failed,
		producer.WithHooks(producer.Hooks{
			Start:   func(context.Context, *producer.Start) any { panic("start") },
			Outcome: func(any, producer.Outcome) { t.Error("the outcome of a message without a token") },
		}),
		producer.WithHooks(producer.Hooks{
			Refused:  func(any, error) { panic("refused") },
			Accepted: func(any, int) { panic("accepted") },
			Outcome:  func(any, producer.Outcome) { outcomes.Add(1); panic("outcome") },
		}),
		producer.WithHooks(producer.Hooks{Outcome: func(any, producer.Outcome) { good.Add(1) }}),
	)
	ctx := waitCtx(t)
	events := producer.NewTopic(name, producer.KeyBy(byKey))
	if _, err := events.Publish(ctx, p, &event{Seq: 1}); err != nil {
		t.Error(err)
	}
	if err := events.PublishAsync(ctx, p, &event{Seq: 2}, func(producer.Delivery, error) { called.Add(1) }); err != nil {
		t.Error(err)
	}
	if _, err := events.Publish(ctx, p, &event{Pad: "bad"}); !errors.Is(err, errBadField) {
		t.Error(err)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if good.Load() != 2 || outcomes.Load() != 2 || called.Load() != 1 {
		t.Errorf("%d and %d outcomes and %d callbacks", good.Load(), outcomes.Load(), called.Load())
	}
	mu.Lock()
	defer mu.Unlock()
	want := map[string]int{"the hook Start": 3, "the hook Accepted": 2, "the hook Outcome": 2, "the hook Refused": 1}
	if diff := cmp.Diff(want, panics); diff != "" {
		t.Error(diff)
	}
}

// TestHookBeforeCaller checks that the Outcome hook has run when Publish
// returns, when a future is ready and when a callback runs. The hook sees the
// place, the timestamp and the schema id of every message.
func TestHookBeforeCaller(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name := w.topic("events", 1)
	var seen sync.Map // offset → true
	p := newProducer(t, w.addrs, producer.WithHooks(producer.Hooks{Outcome: func(_ any, o producer.Outcome) {
		if o.Delivery.Timestamp.IsZero() || o.Delivery.ValueSchemaID == 0 {
			t.Errorf("outcome %+v", o)
		}
		seen.Store(o.Delivery.Offset, true)
	}}))
	ctx := waitCtx(t)
	events := producer.NewTopic(name, producer.KeyBy(byKey))
	check := func(how string, d producer.Delivery, err error) {
		if _, ok := seen.Load(d.Offset); !ok || err != nil {
			t.Errorf("%s: offset %d before its hook, %v", how, d.Offset, err)
		}
	}
	for range 200 {
		d, err := events.Publish(ctx, p, &event{})
		check("Publish", d, err)
		done := make(chan struct{})
		if err := events.PublishAsync(ctx, p, &event{}, func(d producer.Delivery, err error) {
			check("callback", d, err)
			close(done)
		}); err != nil {
			t.Fatal(err)
		}
		<-done
		if err := events.PublishAsync(ctx, p, &event{}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReasons checks the reasons of refused messages, as a hook finds them.
func TestReasons(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name, small := w.topic("events", 1), w.topic("small", 1, "max.message.bytes", "1000")
	var last atomic.Value
	p := newProducer(t, w.addrs, producer.WithHooks(producer.Hooks{
		Refused: func(_ any, err error) { last.Store(producer.ReasonOf(err)) },
	}))
	key := producer.KeyBy(byKey)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	before := func(err error) producer.TopicOption {
		return producer.WithBefore(func(context.Context, *producer.Message[*event]) error { return err })
	}
	for name, test := range map[string]struct {
		ctx   context.Context //nolint:containedctx // a test case
		topic *producer.Topic[*event]
		event *event
		want  producer.Reason
	}{
		"encoder":       {t.Context(), producer.NewTopic(name, key), &event{Pad: "bad"}, producer.ReasonEncode},
		"nil":           {t.Context(), producer.NewTopic(name, key), nil, producer.ReasonEncode},
		"nil, no key":   {t.Context(), producer.NewTopic(name, producer.NoKey[*event]()), nil, producer.ReasonEncode},
		"panic":         {t.Context(), producer.NewTopic(name, key), &event{Pad: "panic"}, producer.ReasonPanic},
		"too large":     {t.Context(), producer.NewTopic(small, key), &event{Pad: strings.Repeat("x", 2000)}, producer.ReasonTooLarge},
		"context":       {canceled, producer.NewTopic(name, key), &event{}, producer.ReasonContext},
		"unknown topic": {t.Context(), producer.NewTopic("nowhere", key), &event{}, producer.ReasonUnknownTopic},
		"registry":      {t.Context(), producer.NewTopic(name, key, before(&serde.RegistryError{Op: "x", Err: context.DeadlineExceeded})), &event{}, producer.ReasonRegistry},
		"rule":          {t.Context(), producer.NewTopic(name, key, before(&serde.RuleError{Err: errors.New("x")})), &event{}, producer.ReasonRule},
		"its own":       {t.Context(), producer.NewTopic(name, key, before(errors.New("x"))), &event{}, producer.ReasonOther},
	} {
		if _, err := test.topic.Publish(test.ctx, p, test.event); err == nil {
			t.Errorf("control: %s: published", name)
		}
		if got := last.Swap(producer.Reason("")); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	if err := p.Close(waitCtx(t)); err != nil {
		t.Error(err)
	}
	if _, err := producer.NewTopic(name, key).Publish(t.Context(), p, &event{}); producer.ReasonOf(err) != producer.ReasonClosed {
		t.Errorf("closed: %v", err)
	}
	broker := func(code int16) error {
		err := new(producer.KafkaError)
		reflect.ValueOf(err).Elem().FieldByName("Code").SetInt(int64(code)) // the type has no public name
		return fmt.Errorf("x: %w", err)
	}
	for err, want := range map[error]producer.Reason{
		nil: "", broker(29): producer.ReasonPermission, broker(10): producer.ReasonTooLarge, broker(87): producer.ReasonBroker,
		producer.ErrFenced: producer.ReasonFenced, producer.ErrWouldBlock: producer.ReasonBufferFull, errors.New("x"): producer.ReasonOther,
	} {
		if got := producer.ReasonOf(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

// TestTransactionEvents checks that all events of a transaction have the same
// begin.
func TestTransactionEvents(t *testing.T) {
	t.Parallel()
	w := brokers(t)
	name := w.topic("events", 1)
	var events []producer.TransactionEvent
	tx, err := producer.NewTransactional(w.addrs, "tx-"+name, newSerializer(t), producer.WithHooks(producer.Hooks{
		Transaction: func(_ context.Context, e producer.TransactionEvent) { events = append(events, e); panic("hook") },
	}))
	if err != nil {
		t.Fatal(err)
	}
	ctx := waitCtx(t)
	topic := producer.NewTopic(name, producer.KeyBy(byKey))
	for _, want := range []error{nil, errBadField} {
		begun := time.Now()
		err := tx.InTx(ctx, func(tx *producer.Tx) error {
			if err := topic.Add(ctx, tx, &event{}); err != nil {
				return err
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Fatal(err)
		}
		if len(events) != 2 || events[0].Begun.Before(begun) || events[1].Begun != events[0].Begun || events[1].Messages != 1 ||
			events[0].Kind != producer.TransactionBegun || (events[1].Kind == producer.TransactionCommitted) != (want == nil) {
			t.Errorf("%+v", events)
		}
		events = nil
	}
	if err := tx.Close(ctx); err != nil {
		t.Error(err)
	}
}
