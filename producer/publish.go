package producer

import (
	"context"
	"iter"
	"reflect"
	"runtime/debug"
	"sync/atomic"
)

// Publish publishes a record and waits for its outcome, or until ctx ends: then the error is [ErrNotSent] if the message was
// not accepted yet, else [ErrOutcomeUnknown].
func (t *Topic[R]) Publish(ctx context.Context, p *Producer, r R) (Delivery, error) {
	return t.wait(ctx, p, r, nil)
}

func (t *Topic[R]) wait(ctx context.Context, p *Producer, r R, m *Message[R]) (Delivery, error) {
	pending := newPending(p.core, t.name)
	if err := t.publish(ctx, p.core, r, m, nil, pending, true); err != nil {
		return Delivery{}, err
	}
	return pending.Wait(ctx)
}

// PublishAsync accepts a record and returns. The callback is called with its outcome; nil is fire and forget: a failure is
// counted and told to [WithFailureHandler]. An error means that the record was refused, is [ErrNotSent], and the callback is
// not called. It blocks while the buffer is full, until there is room or ctx ends; afterwards ctx means nothing to it.
func (t *Topic[R]) PublishAsync(ctx context.Context, p *Producer, r R, cb Callback) error {
	return t.publish(ctx, p.core, r, nil, cb, nil, true)
}

// TryPublish is PublishAsync that never waits: with a full buffer, or a topic that was not looked up yet (see
// [Producer.Prepare]), the error is [ErrWouldBlock]. A schema that is not known yet is still asked for, within ctx.
func (t *Topic[R]) TryPublish(ctx context.Context, p *Producer, r R, cb Callback) error {
	return t.publish(ctx, p.core, r, nil, cb, nil, false)
}

// Enqueue is PublishAsync that gives a future instead of a callback.
func (t *Topic[R]) Enqueue(ctx context.Context, p *Producer, r R) (*Pending, error) {
	pending := newPending(p.core, t.name)
	if err := t.publish(ctx, p.core, r, nil, nil, pending, true); err != nil {
		return nil, err
	}
	return pending, nil
}

// PublishAll publishes records in order and waits for all outcomes. It returns one Result a record, in order; err is nil
// when all are delivered, else the first by index. When ctx ends, what was not accepted is [ErrNotSent] and what has no
// outcome [ErrOutcomeUnknown]. A record that is refused for itself does not keep the others back.
func (t *Topic[R]) PublishAll(ctx context.Context, p *Producer, rs []R) ([]Result, error) {
	results := make([]Result, len(rs))
	pending := make([]*Pending, len(rs))
	for i, r := range rs {
		pending[i], results[i].Err = t.Enqueue(ctx, p, r)
	}
	var first error
	for i, wait := range pending {
		if wait != nil {
			results[i].Delivery, results[i].Err = wait.Wait(ctx)
		}
		if first == nil {
			first = results[i].Err
		}
	}
	return results, first
}

// PublishSeq is the same for a stream: bounded memory, stops at the first that is not accepted, or was not delivered. n is
// how many were delivered; err is nil when all were.
func (t *Topic[R]) PublishSeq(ctx context.Context, p *Producer, rs iter.Seq[R]) (n int64, err error) {
	var (
		delivered atomic.Int64
		open      atomic.Int64
		failure   atomic.Pointer[error]
		done      = make(chan struct{})
	)
	open.Store(1)
	finish := func() {
		if open.Add(-1) == 0 {
			close(done)
		}
	}
	note := func(err error) { failure.CompareAndSwap(nil, &err) }
	callback := func(_ Delivery, err error) {
		if err == nil {
			delivered.Add(1)
		} else {
			note(err)
		}
		finish()
	}
	for r := range rs {
		if failure.Load() != nil {
			break
		}
		open.Add(1)
		if err := t.PublishAsync(ctx, p, r, callback); err != nil {
			note(err)
			finish()
			break
		}
	}
	finish()
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		default:
			note(unknown(t.name, -1, p.core.trouble.explain(ended(ctx))))
		}
	}
	if e := failure.Load(); e != nil {
		err = *e
	}
	return delivered.Load(), err
}

// Send is PublishAsync for what a record alone does not say: headers, timestamp, partition, another key.
func (t *Topic[R]) Send(ctx context.Context, p *Producer, m Message[R], cb Callback) error {
	return t.publish(ctx, p.core, m.Value, &m, cb, nil, true)
}

// SendWait is [Topic.Send] that waits for the outcome, as Publish does.
func (t *Topic[R]) SendWait(ctx context.Context, p *Producer, m Message[R]) (Delivery, error) {
	return t.wait(ctx, p, m.Value, &m)
}

// Tombstone publishes a nil value: the key must be said, there is no record to take it from.
func (t *Topic[R]) Tombstone(ctx context.Context, p *Producer, k Key) (Delivery, error) {
	var none R
	return t.wait(ctx, p, none, &Message[R]{Key: k, Tombstone: true})
}

// intercept runs the Before functions, and puts the After functions before the callback.
func (t *Topic[R]) intercept(ctx context.Context, c *core, r R, m *Message[R], callback Callback, pending *Pending) (_ *Message[R], _ Callback, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{"a Before function", v, debug.Stack()}
		}
	}()
	if m == nil {
		m = &Message[R]{Value: r}
	}
	for _, f := range t.record.before {
		if err := f(ctx, m); err != nil {
			return nil, nil, err
		}
	}
	if t.record.after == nil {
		return m, callback, nil
	}
	value := m.Value
	return m, func(d Delivery, err error) {
		for _, f := range t.record.after {
			f(value, d, err)
		}
		switch {
		case callback != nil:
			callback(d, err)
		case err != nil && pending == nil:
			c.reportFailure(d, err)
		}
	}, nil
}

// isNil says that there is no record: a nil interface, or a nil pointer.
func isNil[R any](r R) bool {
	v := reflect.ValueOf(r)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}
