package producer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestTxAfterRefused checks that transactions go on after a broker has refused
// records of a transaction. librdkafka skips the sequence numbers of the
// refused records, so the broker refuses batches of the next transaction. Some
// of its messages are then reported only in the abort. An abort that waited for
// the reports ended with the transaction timeout.
func TestTxAfterRefused(t *testing.T) {
	t.Parallel()
	for i := range 8 { // it depends on the order of the batches
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, producertest.WithTopic("events", 3))
			tp, err := producer.NewTransactional(b.Addrs(), newID(t), newSerializer(t), producer.WithTransactionTimeout(15*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			events := producer.NewTopic("events", producer.KeyBy(byKey))
			ctx := waitCtx(t)
			run := func() error {
				return tp.InTx(ctx, func(tx *producer.Tx) error {
					var failed []error
					for i := range 7 {
						failed = append(failed, events.Add(ctx, tx, &event{Key: fmt.Sprint(i)}))
					}
					return errors.Join(failed...)
				})
			}
			if err := run(); err != nil {
				t.Fatal(err)
			}
			b.RefuseNext(2, kerr.PolicyViolation.Code, producertest.Produce)
			if err := run(); !errors.Is(err, producer.ErrNotSent) {
				t.Errorf("a refused record: %v", err)
			}
			for range 3 { // with franz, a request has all partitions, so the next one is refused too
				if err = run(); err == nil || !errors.Is(err, producer.ErrNotSent) {
					break
				}
			}
			if err != nil {
				t.Errorf("after the refusal: %v", err)
			}
			if err := tp.Close(ctx); err != nil {
				var left *producer.UndeliveredError
				if !errors.As(err, &left) || left.Unknown > 0 {
					t.Errorf("close: %v", err)
				}
			}
		})
	}
}

// TestTxErrorNamesTopic refuses the messages of one of two topics. The error of
// the transaction names the topic.
func TestTxErrorNamesTopic(t *testing.T) {
	t.Parallel()
	for name, opts := range transports() {
		for _, code := range []*kerr.Error{kerr.PolicyViolation, kerr.TopicAuthorizationFailed} {
			t.Run(name+" "+code.Message, func(t *testing.T) {
				t.Parallel()
				b := startBroker(t, producertest.WithTopic("good", 1), producertest.WithTopic("refused", 1))
				tp, err := producer.NewTransactional(b.Addrs(), newID(t), newSerializer(t), opts...)
				if err != nil {
					t.Fatal(err)
				}
				b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "refused", Err: code, Count: -1})
				ctx := waitCtx(t)
				err = tp.InTx(ctx, func(tx *producer.Tx) error {
					key := producer.KeyBy(byKey)
					return errors.Join(producer.NewTopic("good", key).Add(ctx, tx, &event{Key: "a"}), producer.NewTopic("refused", key).Add(ctx, tx, &event{Key: "a"}))
				})
				if !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "topic refused[0]: ") || !strings.Contains(err.Error(), code.Message) {
					t.Errorf("got %v", err)
				}
				if err := tp.Close(ctx); err != nil {
					t.Errorf("close: %v", err)
				}
			})
		}
	}
}
