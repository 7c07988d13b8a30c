package producer

import (
	"context"
	"iter"
	"reflect"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"github.com/avroline/avroline/producer/internal/engine"
)

// Publish publishes a record and waits for the outcome or for the end of ctx.
// If ctx ends before the message is accepted, the error is [ErrNotSent]. If ctx
// ends later, the error is [ErrOutcomeUnknown].
func (t *Topic[R]) Publish(ctx context.Context, p *Producer, r R) (Delivery, error) {
	return t.publishAndWait(ctx, p, r, nil)
}

// PublishAsync returns when the record is accepted. Later the callback is
// called once with the outcome. With a nil callback, a failure is counted and
// given to [WithFailureHandler].
//
// An error means that the record was refused. The error is [ErrNotSent], and
// the callback is not called. While the buffer is full, PublishAsync waits for
// room or for the end of ctx. After acceptance, the end of ctx has no effect.
func (t *Topic[R]) PublishAsync(ctx context.Context, p *Producer, r R, cb Callback) error {
	return t.publish(ctx, p.publisher, r, nil, cb, nil, true)
}

// PublishFuture is [Topic.PublishAsync] with a future instead of a callback.
func (t *Topic[R]) PublishFuture(ctx context.Context, p *Producer, r R) (*Future, error) {
	return t.publishFuture(ctx, p, r, nil)
}

// TryPublishAsync is [Topic.PublishAsync] without waiting for room. If the
// buffer is full, or the topic is not looked up yet (see [Producer.Prepare]),
// the error is [ErrWouldBlock]. TryPublishAsync still looks up an unknown
// schema, within ctx.
func (t *Topic[R]) TryPublishAsync(ctx context.Context, p *Producer, r R, cb Callback) error {
	return t.publish(ctx, p.publisher, r, nil, cb, nil, false)
}

// Send is [Topic.Publish] for a [Message]. A Message may have headers, a
// timestamp, a partition and a key, or be a tombstone.
func (t *Topic[R]) Send(ctx context.Context, p *Producer, m Message[R]) (Delivery, error) {
	return t.publishAndWait(ctx, p, m.Value, &m)
}

// SendAsync is [Topic.PublishAsync] for a [Message].
func (t *Topic[R]) SendAsync(ctx context.Context, p *Producer, m Message[R], cb Callback) error {
	return t.publish(ctx, p.publisher, m.Value, &m, cb, nil, true)
}

// SendFuture is [Topic.PublishFuture] for a [Message].
func (t *Topic[R]) SendFuture(ctx context.Context, p *Producer, m Message[R]) (*Future, error) {
	return t.publishFuture(ctx, p, m.Value, &m)
}

// TrySendAsync is [Topic.TryPublishAsync] for a [Message].
func (t *Topic[R]) TrySendAsync(ctx context.Context, p *Producer, m Message[R], cb Callback) error {
	return t.publish(ctx, p.publisher, m.Value, &m, cb, nil, false)
}

func (t *Topic[R]) publishAndWait(ctx context.Context, p *Producer, r R, m *Message[R]) (Delivery, error) {
	future, err := t.publishFuture(ctx, p, r, m)
	if err != nil {
		return Delivery{}, err
	}
	return future.Wait(ctx)
}

func (t *Topic[R]) publishFuture(ctx context.Context, p *Producer, r R, m *Message[R]) (*Future, error) {
	future := newFuture(p.engine, t.name)
	if err := t.publish(ctx, p.publisher, r, m, nil, future, true); err != nil {
		return nil, err
	}
	return future, nil
}

// PublishAll publishes records in order and waits for all outcomes. PublishAll
// returns one [Result] for each record, in the same order. err is nil if all
// records are delivered, and otherwise the error of the first failed record.
// After a refused record, PublishAll continues with the next record. If ctx
// ends, the outcome of a record is [ErrNotSent] before acceptance, and
// [ErrOutcomeUnknown] later.
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

// PublishSeq publishes a stream in bounded memory and waits for all outcomes.
// PublishSeq stops at the first record that fails. n is the number of delivered
// records. err is nil if all records were delivered.
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
			note(engine.Unknown(t.name, -1, p.engine.ExplainWait(t.name, engine.ContextError(ctx))))
		}
	}
	if e := failure.Load(); e != nil {
		err = *e
	}
	return delivered.Load(), err
}

// intercept runs the Before functions, and wraps the callback with the After
// functions.
func (t *Topic[R]) intercept(ctx context.Context, p *publisher, r R, m *Message[R], callback Callback, future *Future) (_ *Message[R], _ Callback, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{In: "a Before function", Value: v, Stack: debug.Stack()}
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
	if t.record.after == nil || m.Tombstone {
		return m, callback, nil
	}
	value := m.Value
	return m, func(d Delivery, err error) {
		// Each function runs, also after a panic of an earlier one. The
		// delivery goroutine reports the panic.
		defer func() {
			switch {
			case callback != nil:
				callback(d, err)
			case err != nil && future == nil:
				p.engine.ReportFailure(d, err)
			}
		}()
		for _, f := range slices.Backward(t.record.after) {
			defer f(value, d, err)
		}
	}, nil
}

// isNil reports whether r is a nil interface or a nil pointer.
func isNil[R any](r R) bool {
	v := reflect.ValueOf(r)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}
