package producer

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Delivery is where a message lies. In a transaction it is there, but visible only after the commit.
type Delivery struct {
	Topic     string
	Partition int32
	// Offset is -1 when the broker did not say: with acks 0, or for a duplicate that it recognised.
	Offset int64
	// Timestamp is the one that the message was sent with. A topic with message.timestamp.type=LogAppendTime keeps the
	// broker's own instead.
	Timestamp time.Time
	// KeySchemaID and ValueSchemaID are the registry's ids; 0 where there is none: a tombstone, a key that is not Avro.
	KeySchemaID, ValueSchemaID int
}

// Callback is called exactly once for each message that was accepted (the call returned nil), never for one that was not,
// in the order of the log for each partition, on the producer's delivery goroutine. Its slot in the buffer is free before.
// It may publish. While it blocks no other callback is called, and what they are about waits in memory, some hundred bytes a
// message; calling Flush or Close from it waits for itself. A panic is caught, reported to [WithFailureHandler] and logged.
type Callback func(d Delivery, err error)

// outcome is one message's end, on its way to who asked.
type outcome struct {
	callback Callback
	future   *Future
	since    int64
	token    any // of the hooks
	err      error
	delivery Delivery
	marker   func() // called instead, when its turn comes
}

type outcomes struct{ list []outcome }

// deliverer is the delivery goroutine: it calls callbacks, hooks and the failure handler, in order. Its queue has no
// bound of its own: were publishers to wait for callbacks, a callback that publishes would wait for itself.
type deliverer struct {
	core   *core
	pool   sync.Pool
	mu     sync.Mutex
	queue  []*outcomes
	wake   chan struct{} // capacity 1
	ended  chan struct{}
	called atomic.Int64 // outcomes told, so that Close can see whether one is stuck

	// The delivery goroutine's. They are fields since a callback may end the goroutine (runtime.Goexit, as a test's FailNow
	// does): another one then goes on behind it.
	work []*outcomes
	next int // of work[0]
	over bool
}

func newDeliverer(c *core) *deliverer {
	d := &deliverer{core: c, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	d.pool.New = func() any { return new(outcomes) }
	go d.run()
	return d
}

// batch gives an empty batch to fill.
func (d *deliverer) batch() *outcomes { return d.pool.Get().(*outcomes) }

// deliver takes a batch over; nil ends the goroutine when all before it is done.
func (d *deliverer) deliver(b *outcomes) {
	d.mu.Lock()
	d.queue = append(d.queue, b)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// mark calls f when everything delivered before has been called.
func (d *deliverer) mark(f func()) {
	d.deliver(&outcomes{list: []outcome{{marker: f}}})
}

func (d *deliverer) run() {
	defer func() {
		if d.over {
			close(d.ended)
		} else {
			go d.run()
		}
	}()
	for {
		for len(d.work) > 0 {
			b := d.work[0]
			if b == nil {
				d.over = true
				return
			}
			for d.next < len(b.list) {
				o := &b.list[d.next]
				d.next++
				d.tell(o)
			}
			d.work[0], d.next = nil, 0
			d.work = d.work[1:]
			if cap(b.list) <= 4*eventBatch {
				clear(b.list)
				b.list = b.list[:0]
				d.pool.Put(b)
			}
		}
		<-d.wake
		d.mu.Lock()
		d.work, d.queue = d.queue, d.work[:0]
		d.mu.Unlock()
	}
}

func (d *deliverer) tell(o *outcome) {
	d.called.Add(1)
	defer func() {
		if v := recover(); v != nil {
			d.core.reportFailure(o.delivery, &PanicError{"the callback of topic " + o.delivery.Topic, v, debug.Stack()})
		}
	}()
	if d.core.hooks.set && o.marker == nil {
		d.core.hooks.outcome(o)
	}
	switch {
	case o.marker != nil:
		o.marker()
	case o.callback != nil:
		o.callback(o.delivery, o.err)
	case o.err != nil && o.future == nil:
		d.core.reportFailure(o.delivery, o.err)
	}
}
