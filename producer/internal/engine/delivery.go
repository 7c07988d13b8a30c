package engine

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Delivery says where a message is in the log. A message of a transaction
// becomes visible only after the commit.
type Delivery struct {
	Topic     string
	Partition int32
	// Offset is -1 if the broker did not tell the offset. The broker does not
	// tell it with acks 0, or for a recognised duplicate.
	Offset int64
	// Timestamp is the timestamp of the message. In a topic with
	// message.timestamp.type=LogAppendTime, Timestamp is the broker's time.
	// Timestamp is zero if the client did not report a message before Close
	// gave up and the message has no explicit timestamp.
	Timestamp time.Time
	// KeySchemaID and ValueSchemaID are the ids in the registry. An id is 0 if
	// there is no schema, for example for a tombstone or a key that is not
	// Avro.
	KeySchemaID, ValueSchemaID int
}

// Callback is called exactly once for each accepted message. A message is
// accepted if the call returned nil. Callback is not called for a refused
// message. Calls run on the producer's delivery goroutine, for each partition
// in the order of the log. The message has left the buffer before the call.
//
// A callback may publish. While a callback blocks, no other callback runs. The
// waiting outcomes need some hundred bytes of memory each, and
// WithMaxWaitingCallbacks bounds them. A callback must not call Flush or Close,
// because the call would wait for the callback itself. A panic is caught and
// reported like a failure.
type Callback func(d Delivery, err error)

// outcome is the outcome of one message, for its callback or future.
type outcome struct {
	callback       Callback
	future         *Future
	token          any // the token of the hooks
	since          int64
	queue          *queue // of the partition
	err            error
	offset, stamp  int64 // stamp is noStamp if the timestamp is not known
	onWire         time.Duration
	held           int64 // bytes of its message, which keeps its room in the buffer; or notHeld
	keyID, valueID int32
}

const notHeld = -1

// delivery returns the Delivery of an outcome.
func (o *outcome) delivery() Delivery {
	return Delivery{
		Topic: o.queue.topic.name, Partition: o.queue.partition, Offset: o.offset, Timestamp: o.time(),
		KeySchemaID: int(o.keyID), ValueSchemaID: int(o.valueID),
	}
}

func (o *outcome) time() time.Time {
	if o.stamp == noStamp {
		return time.Time{}
	}
	return time.UnixMilli(o.stamp)
}

// outcomes is a batch for the delivery goroutine. After the list, the goroutine
// calls marker, if it is set.
type outcomes struct {
	list   []outcome
	marker func()
}

// deliverer is the delivery goroutine. It calls callbacks, hooks and the
// failure handler in order. By default the queue has no bound, because
// otherwise a callback that publishes could wait for itself.
type deliverer struct {
	engine *Engine
	pool   sync.Pool
	mu     sync.Mutex
	queue  []*outcomes
	busy   bool          // outcomes are being handled
	wake   chan struct{} // capacity 1
	ended  chan struct{}
	called atomic.Int64 // handled outcomes; Close sees a stuck callback

	maxWaiting int64 // WithMaxWaitingCallbacks; -1 means no limit
	waiting    atomic.Int64

	// These fields belong to the delivery goroutine. A callback may end the
	// goroutine with runtime.Goexit, as FailNow of a test does. Then a new
	// goroutine continues from the fields.
	work     []*outcomes
	next     int // the next outcome in work[0]
	finished bool
}

func newDeliverer(e *Engine) *deliverer {
	d := &deliverer{engine: e, wake: make(chan struct{}, 1), ended: make(chan struct{}), maxWaiting: int64(e.config.MaxWaitingCallbacks)}
	d.pool.New = func() any { return new(outcomes) }
	go d.run()
	return d
}

// batch returns an empty batch.
func (d *deliverer) batch() *outcomes { return d.pool.Get().(*outcomes) }

// deliver adds a batch to the queue. The deliverer owns the batch afterwards. A
// nil batch ends the goroutine after all earlier batches.
func (d *deliverer) deliver(b *outcomes) {
	d.mu.Lock()
	d.queue = append(d.queue, b)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// hold counts an outcome that will wait for its call. hold returns true if too
// many outcomes wait. Then the outcome keeps the room of its message until its
// call has returned.
func (d *deliverer) hold(o *outcome, e *entry) bool {
	if d.maxWaiting < 0 || d.waiting.Add(1) <= d.maxWaiting || e.lent {
		return false
	}
	o.held = e.bytes
	d.engine.held.Add(1)
	d.engine.heldBytes.Add(e.bytes)
	return true
}

// releaseHeld is the counterpart of hold after the call.
func (d *deliverer) releaseHeld(o *outcome) {
	if d.maxWaiting < 0 {
		return
	}
	d.waiting.Add(-1)
	if o.held != notHeld {
		d.engine.held.Add(-1)
		d.engine.heldBytes.Add(-o.held)
		d.engine.limit.release(1, o.held)
	}
}

// explainHeld adds to the error of a full buffer that slow callbacks fill the
// buffer.
func (e *Engine) explainHeld(err error) error {
	if n := e.held.Load(); n > 0 {
		return fmt.Errorf("%w; %d messages in the buffer wait for callbacks to return (WithMaxWaitingCallbacks)", err, n)
	}
	return err
}

// callAfterEarlier calls f after all earlier outcomes have been handled.
func (d *deliverer) callAfterEarlier(f func()) {
	d.deliver(&outcomes{marker: f})
}

func (d *deliverer) run() {
	defer func() {
		if d.finished {
			close(d.ended)
		} else {
			go d.run()
		}
	}()
	for {
		for len(d.work) > 0 {
			b := d.work[0]
			if b == nil {
				d.finished = true
				return
			}
			for d.next < len(b.list) {
				d.callRest(b)
			}
			if marker := b.marker; marker != nil {
				b.marker = nil
				d.called.Add(1)
				marker()
			}
			d.work[0], d.next = nil, 0
			d.work = d.work[1:]
			if cap(b.list) <= 4*eventBatch {
				clear(b.list)
				b.list = b.list[:0]
				d.pool.Put(b)
			}
		}
		d.mu.Lock()
		d.busy = false
		d.mu.Unlock()
		<-d.wake
		d.mu.Lock()
		d.work, d.queue = d.queue, d.work[:0]
		d.busy = true
		d.mu.Unlock()
	}
}

// idle reports whether no outcome waits, and none is being handled.
func (d *deliverer) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue) == 0 && !d.busy
}

// callOutcome calls the Outcome callback.
func (e *Engine) callOutcome(o *outcome, d Delivery) {
	e.callbacks.Outcome(o.token, d, o.err, time.Duration(e.now()-o.since), o.onWire)
}

// callRest handles the outcomes of b from d.next on. After a panic of a
// callback, callRest reports the panic and returns early.
func (d *deliverer) callRest(b *outcomes) {
	var current *outcome
	defer func() {
		if current == nil {
			return
		}
		if v := recover(); v != nil { // nil: runtime.Goexit
			d.engine.ReportFailure(current.delivery(), &PanicError{"the callback of topic " + current.queue.topic.name, v, debug.Stack()})
		}
		d.releaseHeld(current)
	}()
	for d.next < len(b.list) {
		current = &b.list[d.next]
		d.next++
		d.called.Add(1)
		d.callBack(current)
		d.releaseHeld(current)
		current = nil
	}
}

func (d *deliverer) callBack(o *outcome) {
	delivery := o.delivery()
	if d.engine.hooked && o.future == nil { // settle has called the hooks of a future
		d.engine.callOutcome(o, delivery)
	}
	switch {
	case o.callback != nil:
		o.callback(delivery, o.err)
	case o.err != nil && o.future == nil:
		d.engine.ReportFailure(delivery, o.err)
	}
}
