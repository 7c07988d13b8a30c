package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// newTopic makes a topic with the visitor as key, so that the events of one
// visitor keep their order.
func newTopic(name string) *producer.Topic[*clicks.ClickEvent] {
	return producer.NewTopic(name, producer.KeyBy(func(e *clicks.ClickEvent) string { return e.Visitor }))
}

// sender publishes events in one of four ways. When finish returns, the account
// has the outcome of every line.
type sender interface {
	// prepare checks that the brokers answer, and that the topic and the
	// registry exist.
	prepare(ctx context.Context) error
	// send publishes e and must not keep any part of e. A refusal rejects the
	// event. Any other error ends the run.
	send(ctx context.Context, seq int, e *clicks.ClickEvent) error
	// finish waits for everything in flight. If ctx ends first, events without
	// an outcome become unknown.
	finish(ctx context.Context) error
	// settled returns the number of events that have an outcome.
	settled() int64
}

// refusal is the error of an event that can never be published. The event goes
// to the rejects, and the run continues.
type refusal struct{ error }

func newSender(o *options, ser *serde.Serializer, acc *account, lat *latencies) (sender, error) {
	opts := append(o.producerOptions(), producer.WithHooks(producer.Hooks{
		Outcome: func(_ any, o producer.Outcome) { lat.add(o.Waited) },
	}))
	topic := newTopic(o.topic)
	if o.send == "transaction" {
		t, err := producer.NewTransactional(o.brokers, o.transactionalID(), ser, opts...)
		if err != nil {
			return nil, err
		}
		return &txSender{topic: topic, t: t, acc: acc}, nil
	}
	if o.send == "sync" {
		opts = append(opts, producer.WithLinger(0)) // a larger linger has no use, because only one event is sent at a time
	}
	p, err := producer.New(o.brokers, ser, opts...)
	if err != nil {
		return nil, err
	}
	s := producerSender{topic: topic, p: p, acc: acc}
	switch o.send {
	case "sync":
		return &syncSender{s}, nil
	case "forget":
		return &forgetSender{s}, nil
	default:
		return &asyncSender{s}, nil
	}
}

// producerSender is the common part of all senders without transactions.
type producerSender struct {
	topic *producer.Topic[*clicks.ClickEvent]
	p     *producer.Producer
	acc   *account
}

func (s *producerSender) prepare(ctx context.Context) error { return s.p.Prepare(ctx, s.topic) }

func (s *producerSender) settled() int64 {
	st := s.p.Stats()
	return st.Delivered + st.NotSent + st.Unknown
}

// refused decides whether an error concerns only the event, or the producer.
func (s *producerSender) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil || s.p.Err() != nil {
		return err
	}
	return refusal{err}
}

// finish closes the producer. The callbacks have already recorded every event
// that could not be delivered.
func (s *producerSender) finish(ctx context.Context) error {
	err := s.p.Close(ctx)
	if left := new(producer.UndeliveredError); errors.As(err, &left) {
		return fmt.Errorf("%d events not sent, %d of unknown outcome: %w", left.NotSent, left.Unknown, err)
	}
	return err
}

func outcome(err error) state {
	switch {
	case err == nil:
		return delivered
	case errors.Is(err, producer.ErrNotSent):
		return notSent
	default:
		return unknown
	}
}

type asyncSender struct{ producerSender }

func (s *asyncSender) send(ctx context.Context, seq int, e *clicks.ClickEvent) error {
	err := s.topic.PublishAsync(ctx, s.p, e, func(_ producer.Delivery, err error) {
		s.acc.setState(seq, outcome(err))
	})
	if err != nil {
		return s.refused(ctx, err)
	}
	return nil
}

type syncSender struct{ producerSender }

func (s *syncSender) send(ctx context.Context, seq int, e *clicks.ClickEvent) error {
	_, err := s.topic.Publish(ctx, s.p, e)
	switch {
	case err == nil:
		s.acc.setState(seq, delivered)
		return nil
	case errors.Is(err, producer.ErrOutcomeUnknown):
		s.acc.setState(seq, unknown)
		return err
	default:
		return s.refused(ctx, err)
	}
}

// forgetSender knows only the number of failures. If there is a failure, every
// event without a known outcome becomes unknown.
type forgetSender struct{ producerSender }

func (s *forgetSender) send(ctx context.Context, _ int, e *clicks.ClickEvent) error {
	if err := s.topic.PublishAsync(ctx, s.p, e, nil); err != nil {
		return s.refused(ctx, err)
	}
	return nil
}

func (s *forgetSender) finish(ctx context.Context) error {
	err := s.producerSender.finish(ctx)
	if st := s.p.Stats(); st.NotSent == 0 && st.Unknown == 0 {
		s.acc.setWaiting(delivered)
	} else {
		s.acc.setWaiting(unknown)
	}
	return err
}

// txSender publishes a thousand events in each transaction.
type txSender struct {
	topic *producer.Topic[*clicks.ClickEvent]
	t     *producer.Transactional
	acc   *account
	batch []clicks.ClickEvent
	seqs  []int
}

const eventsPerTransaction = 1000

func (s *txSender) prepare(ctx context.Context) error { return s.t.Prepare(ctx, s.topic) }

func (s *txSender) settled() int64 { return s.acc.sum(delivered) + s.acc.sum(unknown) }

func (s *txSender) send(ctx context.Context, seq int, e *clicks.ClickEvent) error {
	s.batch, s.seqs = append(s.batch, *e), append(s.seqs, seq)
	if len(s.batch) < eventsPerTransaction {
		return nil
	}
	return s.commit(ctx)
}

func (s *txSender) commit(ctx context.Context) error {
	if len(s.batch) == 0 {
		return nil
	}
	err := s.t.InTx(ctx, func(tx *producer.Tx) error {
		for i := range s.batch {
			if err := s.topic.Add(ctx, tx, &s.batch[i]); err != nil {
				return err
			}
		}
		return nil
	})
	for _, seq := range s.seqs {
		if err != nil && !errors.Is(err, producer.ErrOutcomeUnknown) {
			s.acc.setState(seq, notSent)
		} else {
			s.acc.setState(seq, outcome(err))
		}
	}
	s.batch, s.seqs = s.batch[:0], s.seqs[:0]
	return err
}

func (s *txSender) finish(ctx context.Context) error {
	err := s.commit(ctx)
	return errors.Join(err, s.t.Close(ctx))
}
