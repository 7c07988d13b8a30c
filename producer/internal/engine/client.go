package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// client is a client of a transport, with a queue of entries for each
// partition. The queues match every outcome to its message. An engine owns a
// client, or several clients if topics differ in their limits or have very many
// partitions. The engine replaces a client after a fatal error.
type client struct {
	engine    *Engine
	transport transport.Client
	batch     int // batch.size

	chunks sync.Pool

	mu     sync.Mutex
	topics sync.Map                 // name to *clientTopic; written under mu
	queues atomic.Pointer[[]*queue] // by number; only appended to, under mu

	refusal atomic.Pointer[error] // why the client refuses messages
	fatal   atomic.Pointer[error] // the fatal error behind refusal, if any

	events  turn
	closing sync.Once

	// tx, if set, counts the outcomes instead of the engine's counters, because
	// a message of a transaction is not delivered before the commit. Set before
	// the first message.
	tx *txCounts
}

// clientTopic holds the queues of a topic, by partition. The list of queues
// only grows.
type clientTopic struct {
	client *client
	name   string
	queues atomic.Pointer[[]*queue]

	made   sync.Once
	handle transport.Topic // made for the first message
	err    error           // why there is no handle
}

// txCounts counts the outcomes of a transactional client since the last take.
// The messages count as in flight until [Transactional.settle] counts their
// outcome.
type txCounts struct {
	mu                sync.Mutex
	delivered, failed int64
	err               error // of the first failed message
}

func (t *txCounts) add(delivered, failed int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delivered += delivered
	t.failed += failed
	if t.err == nil {
		t.err = err
	}
}

// takeAll returns the counts since the last call.
func (t *txCounts) takeAll() (delivered, failed int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delivered, failed, err = t.delivered, t.failed, t.err
	t.delivered, t.failed, t.err = 0, 0, nil
	return delivered, failed, err
}

// newClient starts a client. It does not wait for the network.
func newClient(e *Engine, batch int) (*client, error) {
	k := &client{engine: e, batch: batch}
	k.chunks.New = func() any { return new(chunk) }
	k.queues.Store(new([]*queue))
	k.events.calls = e.deliverer.batch()
	if e.config.TransactionalID != "" {
		k.tx = new(txCounts)
	}
	var err error
	if k.transport, err = e.open(e.config, batch, k); err != nil {
		if errors.As(err, new(*settings.ConfigError)) {
			return nil, err
		}
		return nil, fmt.Errorf("producer: client: %w", err)
	}
	return k, nil
}

func (k *client) chunk() *chunk { return k.chunks.Get().(*chunk) }

// topic returns what the client has of a topic, or nil.
func (k *client) topic(name string) *clientTopic {
	t, _ := k.topics.Load(name)
	known, _ := t.(*clientTopic)
	return known
}

// topicQueues returns the queues of a topic's first n partitions.
func (k *client) topicQueues(topic string, n int32) []*queue {
	if t := k.topic(topic); t != nil {
		if queues := *t.queues.Load(); int32(len(queues)) >= n {
			return queues[:n:n]
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.topic(topic)
	if t == nil {
		t = &clientTopic{client: k, name: topic}
		t.queues.Store(new([]*queue))
		defer k.topics.Store(topic, t)
	}
	// Readers of the earlier lists see only the earlier queues.
	queues, all := *t.queues.Load(), *k.queues.Load()
	for int32(len(queues)) < n {
		q := &queue{topic: t, partition: int32(len(queues)), number: uint32(len(all))}
		queues, all = append(queues, q), append(all, q)
	}
	k.queues.Store(&all)
	t.queues.Store(&queues)
	return queues[:n:n]
}

// refusedError wraps the reason why a client refuses messages. The engine
// decides whether another client can take the message.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// recovering reports whether a partition refuses messages only until the
// outcomes of earlier messages have come. Then either the partition takes
// messages again, or the client refuses everything.
func (k *client) recovering(err error) bool {
	refused, ok := err.(refusedError) //nolint:errorlint // ours, never wrapped
	return ok && errors.Is(refused.error, errRecoveringPartition) && k.refusal.Load() == nil
}

// open returns the transport's handle of the topic. The caller must check first
// that the client is not refusing messages.
func (t *clientTopic) open() (transport.Topic, error) {
	t.made.Do(func() { t.handle, t.err = t.client.transport.Topic(t.name) })
	return t.handle, t.err
}

// produce gives a message to the client. If produce returns nil, e gets exactly
// one outcome. If produce returns an error, the client has not taken the
// message.
func (k *client) produce(q *queue, m *transport.Message, e *entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := k.refusal.Load(); err != nil {
		return refusedError{*err}
	}
	handle, err := q.topic.open()
	if err != nil {
		return err
	}
	// Push the entry first, because the outcome may come before Produce
	// returns.
	seq := q.push(e)
	k.engine.count.accepted.Add(1)
	err = handle.Produce(q.partition, m, transport.Token(q.number)<<32|transport.Token(seq))
	if err == nil {
		return nil
	}
	q.unpush()
	k.engine.count.accepted.Add(-1)
	var failed *transport.Error
	if errors.As(err, &failed) {
		switch {
		case failed.Fatal:
			k.fail(failed)
			return refusedError{*k.refusal.Load()}
		case failed.Code == transport.Recovering:
			return refusedError{errRecoveringPartition}
		case failed.Code == transport.Purged, failed.Code == transport.Closed:
			if why := k.refusal.Load(); why != nil {
				return refusedError{*why}
			}
		}
	}
	return k.explainRefused(q, err)
}

// refuse makes produce fail from now on. The first reason is kept.
func (k *client) refuse(why error) { k.refusal.CompareAndSwap(nil, &why) }

// Trouble implements [transport.Handler].
func (k *client) Trouble(err *transport.Error) { k.engine.trouble.note(err) }

// Refused implements [transport.Handler].
func (k *client) Refused(topic string, partition int32, err *transport.Error) {
	k.engine.progress.noteRefusal(topic, partition, err, time.Now())
}

// Fatal implements [transport.Handler].
func (k *client) Fatal(err *transport.Error) { k.fail(err) }

// fail records a fatal error. The client takes no new message. The transport
// still reports the outcomes of messages in flight.
func (k *client) fail(cause *transport.Error) {
	err := withCause(ErrFatal, diagnose.ExplainDenied(k.engine.config, cause, "", ""))
	if !k.fatal.CompareAndSwap(nil, &err) {
		k.refuse(*k.fatal.Load()) // the first caller may be about to do so
		return
	}
	k.refuse(err)
	k.engine.clientFailed(k, cause, err)
}

// wait calls done when the outcomes of all earlier messages are counted.
func (k *client) wait(each func() (done func())) {
	for _, q := range *k.queues.Load() {
		q.wait(each())
	}
}

// drain waits until all earlier messages have their outcome.
func (k *client) drain(ctx context.Context) error { return drain(ctx, k) }

func drain(ctx context.Context, clients ...*client) error {
	empty := make(chan struct{})
	var open atomic.Int64
	open.Store(1)
	done := func() {
		if open.Add(-1) == 0 {
			close(empty)
		}
	}
	for _, k := range clients {
		k.wait(func() func() { open.Add(1); return done })
	}
	done()
	select {
	case <-empty:
		return nil
	default:
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ContextError(ctx)
	}
}

// inFlight reports whether any message is in flight.
func (k *client) inFlight() bool {
	for _, q := range *k.queues.Load() {
		if q.head.Load() != q.tail.Load() {
			return true
		}
	}
	return false
}

// idle reports whether the client takes messages and has no message of a topic
// in flight. A lost message leaves its queue after the refusal is set, so idle
// looks at the refusal last.
func (k *client) idle(topic string) bool {
	if t := k.topic(topic); t != nil {
		for _, q := range *t.queues.Load() {
			if q.head.Load() != q.tail.Load() {
				return false
			}
		}
	}
	return k.refusal.Load() == nil
}

const (
	// answerGrace bounds the wait for answers to sent requests before a client
	// is replaced.
	answerGrace = 10 * time.Second
	// purgeGrace bounds the wait for the outcomes of purged messages.
	purgeGrace = 2 * time.Second
)

// abandon purges all messages in the transport and waits for their outcomes. A
// message without an outcome becomes unknown, for the given reason. The client
// takes no message afterwards.
func (k *client) abandon(why error) {
	k.refuse(why)
	k.transport.Purge()
	ctx, cancel := context.WithTimeout(context.Background(), purgeGrace)
	defer cancel()
	_ = k.drain(ctx)
	k.writeOff(why)
}

// close ends the client. No message may be in flight, unless abandon was called
// before. close may be called several times.
func (k *client) close() {
	k.closing.Do(func() {
		k.refuse(ErrClosed)
		k.transport.Close()
	})
}
