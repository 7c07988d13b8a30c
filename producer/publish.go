package producer

import (
	"context"
	"iter"
	"reflect"
	"runtime/debug"
	"sync/atomic"
)

// Publish publishes a record and waits for its outcome, or until ctx ends. If ctx
// ends before the message was accepted, the error is [ErrNotSent]. If it ends
// later, the error is [ErrOutcomeUnknown].
func (t *Topic[R]) Publish(ctx context.Context, p *Producer, r R) (Delivery, error) {
	return t.wait(ctx, p, r, nil)
}

// PublishAsync accepts a record and returns. The callback is called once with the
// outcome. A nil callback is fire and forget: a failure is counted and given to
// [WithFailureHandler].
//
// An error means that the record was refused. It is [ErrNotSent], and the callback
// is not called. PublishAsync blocks while the buffer is full, until there is room
// or ctx ends. Once the record is accepted, the end of ctx changes nothing.
func (t *Topic[R]) PublishAsync(ctx context.Context, p *Producer, r R, cb Callback) error {
	return t.publish(ctx, p.core, r, nil, cb, nil, true)
}

// PublishFuture is [Topic.PublishAsync] with a future instead of a callback.
func (t *Topic[R]) PublishFuture(ctx context.Context, p *Producer, r R) (*Future, error) {
	return t.future(ctx, p, r, nil)
}

// TryPublishAsync is [Topic.PublishAsync] that never waits for room. If the buffer
// is full, or the topic was not looked up yet (see [Producer.Prepare]), the error
// is [ErrWouldBlock]. A schema that is not known yet is still looked up, within
// ctx.
func (t *Topic[R]) TryPublishAsync(ctx context.Context, p *Producer, r R, cb Callback) error {
	return t.publish(ctx, p.core, r, nil, cb, nil, false)
}

// Send is [Topic.Publish] for a [Message]: a record with headers, a timestamp, a
// partition or a key of its own, or a tombstone.
func (t *Topic[R]) Send(ctx context.Context, p *Producer, m Message[R]) (Delivery, error) {
	return t.wait(ctx, p, m.Value, &m)
}

// SendAsync is [Topic.PublishAsync] for a [Message].
func (t *Topic[R]) SendAsync(ctx context.Context, p *Producer, m Message[R], cb Callback) error {
	return t.publish(ctx, p.core, m.Value, &m, cb, nil, true)
}

// SendFuture is [Topic.PublishFuture] for a [Message].
func (t *Topic[R]) SendFuture(ctx context.Context, p *Producer, m Message[R]) (*Future, error) {
	return t.future(ctx, p, m.Value, &m)
}

// TrySendAsync is [Topic.TryPublishAsync] for a [Message].
func (t *Topic[R]) TrySendAsync(ctx context.Context, p *Producer, m Message[R], cb Callback) error {
	return t.publish(ctx, p.core, m.Value, &m, cb, nil, false)
}

func (t *Topic[R]) wait(ctx context.Context, p *Producer, r R, m *Message[R]) (Delivery, error) {
	future, err := t.future(ctx, p, r, m)
	if err != nil {
		return Delivery{}, err
	}
	return future.Wait(ctx)
}

func (t *Topic[R]) future(ctx context.Context, p *Producer, r R, m *Message[R]) (*Future, error) {
	future := newFuture(p.core, t.name)
	if err := t.publish(ctx, p.core, r, m, nil, future, true); err != nil {
		return nil, err
	}
	return future, nil
}

// PublishAll publishes records in order and waits for all outcomes. It returns one
// [Result] for each record, in the same order. err is nil if all are delivered,
// otherwise the error of the first record that is not. A record that is refused
// does not keep the others back. If ctx ends, records that were not accepted are
// [ErrNotSent] and those without an outcome [ErrOutcomeUnknown].
func (t *Topic[R]) PublishAll(ctx context.Context, p *Producer, rs []R) ([]Result, error) {
	results := make([]Result, len(rs))
	futures := make([]*Future, len(rs))
	for i, r := range rs {
		futures[i], results[i].Err = t.PublishFuture(ctx, p, r)
	}
	var first error
	for i, future := range futures {
		if future != nil {
			results[i].Delivery, results[i].Err = future.Wait(ctx)
		}
		if first == nil {
			first = results[i].Err
		}
	}
	return results, first
}

// PublishSeq publishes a stream in bounded memory and waits for all outcomes. It
// stops at the first record that is not accepted or not delivered. n is the number
// of delivered records. err is nil if all were delivered.
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

// intercept runs the Before functions, and puts the After functions before the callback.
func (t *Topic[R]) intercept(ctx context.Context, c *core, r R, m *Message[R], callback Callback, future *Future) (_ *Message[R], _ Callback, err error) {
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
		case err != nil && future == nil:
			c.reportFailure(d, err)
		}
	}, nil
}

// isNil says that there is no record: a nil interface, or a nil pointer.
func isNil[R any](r R) bool {
	v := reflect.ValueOf(r)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}
