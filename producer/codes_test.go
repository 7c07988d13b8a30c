package producer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestEveryCode refuses requests with every error code of Kafka. The outcomes
// must agree with the log, and the producer must go on.
func TestEveryCode(t *testing.T) {
	if testing.Short() {
		t.Skip("starts some hundred clients")
	}
	t.Parallel()
	var all sync.WaitGroup
	slots := make(chan struct{}, 16) // most cases only wait for a pause to end
	for code := int16(-1); code < 200; code++ {
		known := kerr.TypedErrorForCode(code)
		switch {
		case known == nil || known.Code != code:
			continue
		case known == kerr.DuplicateSequenceNumber: // says that the messages are in the log
			continue
		case known == kerr.SaslAuthenticationFailed: // only answers a login, which is tried again for ever
			continue
		}
		for _, run := range []func(*codeTest){(*codeTest).publish, (*codeTest).transact} {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				b, err := producertest.NewBroker(producertest.WithTopic("events", 3))
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = b.Close() }()
				c := &codeTest{t: t, code: known, broker: b, outcomes: map[int64]error{}}
				run(c)
				c.compare()
			})
		}
	}
	all.Wait()
}

type codeTest struct {
	t      *testing.T
	code   *kerr.Error
	broker *producertest.Broker

	mu       sync.Mutex
	seq      int64
	outcomes map[int64]error // by the number of the message
}

var codeEvents = producer.NewTopic("events", producer.KeyBy(byKey))

func (c *codeTest) event() *event {
	c.seq++
	return &event{Key: fmt.Sprint(c.seq % 7), Seq: c.seq}
}

func (c *codeTest) errorf(format string, args ...any) {
	c.t.Errorf("%s: %s", c.code.Message, fmt.Sprintf(format, args...))
}

// final reports whether the producer, or the topic for some seconds, is right
// to take no message after the code.
func (c *codeTest) final(err error) bool {
	switch c.code {
	case kerr.ProducerFenced, kerr.InvalidProducerEpoch:
		return errors.Is(err, producer.ErrFenced) || errors.Is(err, producer.ErrFatal)
	case kerr.TopicAuthorizationFailed, kerr.InvalidTopicException: // the next messages are refused for some seconds
		return err != nil
	case kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed:
		return producer.ReasonOf(err) == producer.ReasonPermission
	}
	return false
}

// publish refuses two requests for each kind of request.
func (c *codeTest) publish() {
	p, err := producer.New(c.broker.Addrs(), newSerializer(c.t))
	if err != nil {
		c.t.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	send := func(n int) (failed error) {
		var open sync.WaitGroup
		for range n {
			e := c.event()
			open.Add(1)
			err := codeEvents.PublishAsync(ctx, p, e, func(_ producer.Delivery, err error) {
				c.mu.Lock()
				c.outcomes[e.Seq] = err
				if err != nil {
					failed = err
				}
				c.mu.Unlock()
				open.Done()
			})
			if err != nil {
				failed = err
				open.Done()
			}
		}
		ended := make(chan struct{})
		go func() { open.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-ctx.Done():
			c.errorf("messages without an outcome after a minute")
			_ = p.Close(ctx)
			<-ended
		}
		return failed
	}
	for _, kind := range []producertest.Request{producertest.InitProducerID, producertest.Produce} {
		c.broker.RefuseNext(2, c.code.Code, kind)
		err = send(20)
		for try := 0; err != nil && try < 5; try++ {
			err = send(7)
		}
		if c.final(err) {
			break
		}
		if err != nil {
			c.errorf("publishing after two refused requests of kind %d: %v", kind, err)
		}
	}
	var left *producer.UndeliveredError
	if err := p.Close(ctx); err != nil && !errors.As(err, &left) {
		c.errorf("close: %v", err)
	}
}

// transact refuses two requests for each kind of request.
func (c *codeTest) transact() {
	tp, err := producer.NewTransactional(c.broker.Addrs(), "id", newSerializer(c.t))
	if err != nil {
		c.t.Error(err)
		return
	}
	run := func() error {
		ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
		defer cancel()
		first := c.seq + 1
		again := c.seq
		err := tp.InTx(ctx, func(tx *producer.Tx) error {
			c.seq = again
			for range 7 {
				if err := codeEvents.Add(ctx, tx, c.event()); err != nil {
					return err
				}
			}
			return nil
		})
		for seq := first; seq <= c.seq; seq++ {
			c.outcomes[seq] = err
		}
		return err
	}
	for _, kind := range []producertest.Request{
		producertest.InitProducerID, producertest.AddPartitionsToTxn, producertest.Produce, producertest.EndTxn,
	} {
		c.broker.RefuseNext(2, c.code.Code, kind)
		err := run()
		for try := 0; err != nil && try < 5 && !c.final(err) && !errors.Is(err, context.DeadlineExceeded); try++ {
			err = run()
		}
		if c.final(err) {
			break
		}
		if err != nil {
			c.errorf("a transaction after two refused requests of kind %d: %v", kind, err)
		}
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	var left *producer.UndeliveredError
	if err := tp.Close(ctx); err != nil && !errors.As(err, &left) {
		c.errorf("close: %v", err)
	}
}

// compare compares the outcomes with the log.
func (c *codeTest) compare() {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	found := map[int64]int{}
	for r, err := range logread.All(ctx, c.broker.Addrs(), "events") {
		if err != nil {
			c.errorf("%v", err)
			return
		}
		_, e := decodeEvent(c.t, r.Value)
		found[e.Seq]++
	}
	for seq, err := range c.outcomes {
		switch n := found[seq]; {
		case err == nil && n != 1, errors.Is(err, producer.ErrNotSent) && n != 0, n > 1:
			c.errorf("message %d is in the log %d times, and its outcome is %v", seq, n, err)
		case err != nil && !errors.Is(err, producer.ErrNotSent) && !errors.Is(err, producer.ErrOutcomeUnknown):
			c.errorf("message %d: %v says neither not sent nor unknown", seq, err)
		}
	}
}
