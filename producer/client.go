package producer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/librdkafka"
	"github.com/avroline/avroline/producer/internal/settings"
)

// client is one confluent-kafka-go producer with what it takes to know the outcome of every message: its event goroutine
// and a ring per partition. A core owns one, or several where topics differ in their limits, and replaces it after a
// fatal error.
//
// It never calls Flush, which would poll beside the event goroutine and shuffle reports, and Purge only after it stopped
// matching reports.
type client struct {
	core  *core
	kafka *kafka.Producer
	below *librdkafka.Client // the same, beneath confluent-kafka-go
	batch int                // batch.size

	chunks sync.Pool

	mu     sync.Mutex
	topics atomic.Pointer[map[string]*clientTopic] // copied on write under mu

	refusal atomic.Pointer[error] // why it takes no message any more
	fatal   atomic.Pointer[error] // the fatal error behind that, if it is one

	uses // whatever calls into it beside produce and the event goroutine: a client may be replaced at any time

	control chan func(*eventLoop) // run on the event goroutine
	done    chan struct{}         // the event goroutine has ended
	closing sync.Once

	lines chan kafka.LogEvent // the client's log
	logs  chan struct{}       // the log goroutine has ended

	// tx, where it is set, takes the outcomes instead of the core's counters: in a transaction a delivered message is not
	// delivered before the commit. Set before the first message.
	tx *txTally
}

// clientTopic is one topic's rings, by partition. It grows, it never shrinks.
type clientTopic struct {
	client *client
	name   string
	rings  atomic.Pointer[[]*ring]

	made  sync.Once
	below *librdkafka.Topic // made for the first message
	err   error             // why there is none
}

// txTally counts the reports of a transactional client since it was last taken. The client's messages count as in flight
// until [core.settle] says what became of them.
type txTally struct {
	mu                sync.Mutex
	delivered, failed int64
	err               error // of the first that failed
}

func (t *txTally) add(delivered, failed int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delivered += delivered
	t.failed += failed
	if t.err == nil {
		t.err = err
	}
}

// take returns the counts since the last call and starts anew.
func (t *txTally) take() (delivered, failed int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delivered, failed, err = t.delivered, t.failed, t.err
	t.delivered, t.failed, t.err = 0, 0, nil
	return delivered, failed, err
}

// newClient starts a client. It does not wait for the network.
func newClient(c *core, batch int) (*client, error) {
	k := &client{
		core: c, batch: batch,
		control: make(chan func(*eventLoop)), done: make(chan struct{}),
		lines: make(chan kafka.LogEvent, 1000), logs: make(chan struct{}),
	}
	if err := k.start(); err != nil {
		return nil, fmt.Errorf("producer: client: %w", err)
	}
	k.chunks.New = func() any { return new(chunk) }
	k.topics.Store(&map[string]*clientTopic{})
	if c.config.TransactionalID != "" {
		k.tx = new(txTally)
	}
	go k.serve()
	go k.forwardLogs()
	return k, nil
}

// configMap gives the settings the type that confluent-kafka-go wants.
func configMap(m map[string]any) kafka.ConfigMap {
	converted := make(kafka.ConfigMap, len(m))
	for k, v := range m {
		converted[k] = v
	}
	return converted
}

// millis rounds up, so that a positive duration never becomes the 0 that means
// something else.
func millis(d time.Duration) int { return int((d + time.Millisecond - 1) / time.Millisecond) }

// start makes the producer of confluent-kafka-go.
func (k *client) start() (err error) {
	m := configMap(k.core.config.ProducerMap())
	m["batch.size"] = k.batch
	if k.core.config.Guarded() {
		m["debug"] = strings.Trim(k.core.config.Passed["debug"]+","+librdkafka.GuardDebug, ",")
	}
	m["go.logs.channel"] = k.lines
	if k.kafka, err = kafka.NewProducer(&m); err != nil {
		return err
	}
	if k.below, err = librdkafka.Open(k.kafka); err == nil && k.core.config.Guarded() {
		err = k.below.Guard(k.core.config.LogLevel() >= settings.LogDebug, k.logged)
	}
	if err != nil {
		k.kafka.Close()
	}
	return err
}

// rings gives a topic's rings, at least n of them.
func (k *client) rings(topic string, n int32) []*ring {
	if t := (*k.topics.Load())[topic]; t != nil {
		if rings := *t.rings.Load(); int32(len(rings)) >= n {
			return rings
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := (*k.topics.Load())[topic]
	if t == nil {
		t = &clientTopic{client: k, name: topic}
		t.rings.Store(new([]*ring))
		topics := map[string]*clientTopic{topic: t}
		for name, other := range *k.topics.Load() {
			topics[name] = other
		}
		defer k.topics.Store(&topics)
	}
	rings := append([]*ring(nil), *t.rings.Load()...)
	for int32(len(rings)) < n {
		rings = append(rings, newRing(t, int32(len(rings))))
	}
	t.rings.Store(&rings)
	return rings
}

// refusedError wraps why a client takes no message; the core decides whether another one will.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// native gives the library's handle of the topic. The client must take messages still.
func (t *clientTopic) native() (*librdkafka.Topic, error) {
	t.made.Do(func() { t.below, t.err = t.client.below.Topic(t.name) })
	return t.below, t.err
}

// produce hands a message to the client. On nil there will be one outcome for e; on an error nothing was taken.
func (k *client) produce(r *ring, m *librdkafka.Message, e *entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := k.refusal.Load(); err != nil {
		return refusedError{*err}
	}
	below, err := r.topic.native()
	if err != nil {
		return err
	}
	// The entry goes first: the report may come before Produce returns.
	r.push(e)
	k.core.count.accepted.Add(1)
	if err := below.Produce(r.partition, m); err != nil {
		r.unpush()
		k.core.count.accepted.Add(-1)
		var kerr kafka.Error
		if errors.As(err, &kerr) && (kerr.IsFatal() || kerr.Code() == kafka.ErrFatal) {
			k.fail(k.fatalCause(err))
			return refusedError{*k.refusal.Load()}
		}
		return err
	}
	return nil
}

// fatalCause asks the client for the error behind "a fatal error".
func (k *client) fatalCause(err error) error {
	if cause := k.kafka.GetFatalError(); cause != nil {
		return cause
	}
	return err
}

// refuse makes produce fail from now on. The first reason stays.
func (k *client) refuse(why error) { k.refusal.CompareAndSwap(nil, &why) }

// fail notes a fatal error: nothing new is taken. What is in flight gets its reports from the client, which gives up
// everything that it holds.
func (k *client) fail(cause error) {
	err := fmt.Errorf("%w: %w", ErrFatal, explainDenied(k.core.config, cause, "", ""))
	if line, ok := librdkafka.Skipped(cause); ok { // of the client, not of the producer
		err = fmt.Errorf("%w: %s", errSkipped, line)
	}
	if !k.fatal.CompareAndSwap(nil, &err) {
		return
	}
	k.refuse(err)
	k.core.failed(k, err)
}

var errSkipped = errors.New("a batch came to its partition before the one that it follows, as happens while leaders move, and had " +
	"the client gone on it might have written others twice (librdkafka issue 4953): another client goes on")

// wait calls done once everything taken before the call has its outcome on the books.
func (k *client) wait(each func() (done func())) {
	for _, t := range *k.topics.Load() {
		for _, r := range *t.rings.Load() {
			r.wait(each())
		}
	}
}

// drain waits until everything taken before the call has its outcome.
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
		return ended(ctx)
	}
}

// abandon gives everything in flight the outcome unknown, for the given reason, and stops matching reports. The client
// takes nothing afterwards.
func (k *client) abandon(why error) {
	k.refuse(why)
	stopped := make(chan struct{})
	select {
	case k.control <- func(l *eventLoop) { l.writeOff(why); close(stopped) }:
		<-stopped
	case <-k.done:
	}
}

// close ends the client. In flight there must be nothing, or what is must have been abandoned. It may be called again.
func (k *client) close() {
	k.closing.Do(func() {
		k.refuse(ErrClosed)
		k.lastUse()
		for _, t := range *k.topics.Load() {
			t.free()
		}
		k.kafka.Close()
		k.below.Unguard()
		close(k.lines)
		<-k.done
		<-k.logs
	})
}

// free gives the library's handle back, once no publisher is inside.
func (t *clientTopic) free() {
	for _, r := range *t.rings.Load() {
		r.mu.Lock()   // whoever comes after is refused
		r.mu.Unlock() //nolint:staticcheck // nothing in between
	}
	if t.below != nil {
		t.below.Free()
	}
}
