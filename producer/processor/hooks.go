package processor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/avroline/avroline/internal/hook"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/serde"
)

// Hooks see the batches and the messages of a processor. Each function may be
// nil. The functions run on the goroutine of Run and must not block. A panic in
// a function is logged, and the processor continues. Without hooks there is no
// allocation and no delay.
//
// For the transactions and the published messages, use the hooks of the
// producer (WithProducer, producer.WithHooks).
type Hooks struct {
	// Polled is called after a poll for the messages of a batch, even if the
	// poll has returned no message or an error.
	Polled func(ctx context.Context, p Poll)
	// StartBatch is called before the transaction of a batch. The hooks of the
	// messages and EndBatch get the returned context. The returned context must
	// be ctx or a child of ctx.
	StartBatch func(ctx context.Context, b Batch) context.Context
	// EndBatch is called when the transaction has ended.
	EndBatch func(ctx context.Context, b Batch, e BatchEnd)
	// StartRecord is called before a message is decoded. The deserializer, the
	// function, the bad handler and EndRecord get the returned context.
	StartRecord func(ctx context.Context, r Record) context.Context
	// EndRecord is called when the function has returned. The result of the
	// message becomes visible only at the end of the batch.
	EndRecord func(ctx context.Context, r Record, e RecordEnd)
	// Rebalanced is called when the processor has received or lost partitions,
	// also at the end of Run, which gives up all partitions.
	Rebalanced func(ctx context.Context, r Rebalance)
	// Lag is called about every 10 seconds with the lag of the partitions that
	// this processor reads. The lag of a partition is out of date after
	// Rebalanced has named the partition as revoked.
	Lag func(ctx context.Context, group string, lag []Lag)
}

// Poll is one poll for the messages of a batch, for [Hooks].
type Poll struct {
	Group    string
	Messages int
	Bytes    int           // of keys and values
	Took     time.Duration // including the wait for messages
	Err      error         // ends Run, or nil
}

// Batch is one attempt at a batch of messages, for [Hooks].
type Batch struct {
	Group   string
	Records []Record // in the order of polling
}

// BatchEnd is the end of a [Batch].
type BatchEnd struct {
	// Err is nil if the batch is committed.
	Err error
	// Again says that the processor handles the messages again.
	Again bool
	Took  time.Duration
}

// Record is a message before it is decoded, for [Hooks]. The bytes and headers
// must not be changed.
type Record struct {
	Group     string
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	Key       []byte
	Headers   []serde.Header
	Bytes     int  // of key and value
	Tombstone bool // the value is nil
}

// RecordEnd is the end of a [Record].
type RecordEnd struct {
	// Err is the error that ends the batch, or nil.
	Err error
	// Bad is the reason why the message went to the bad handler, or nil.
	Bad  error
	Took time.Duration
}

// Rebalance lists the partitions that moved, for [Hooks].
type Rebalance struct {
	Group         string
	Assigned      []Partition
	Revoked       []Partition
	NowPartitions int // the number of partitions afterwards
}

// Partition names a partition, for [Hooks].
type Partition struct {
	Topic     string
	Partition int32
}

// Lag is the number of messages that the group has not committed, for [Hooks].
// The number includes messages of aborted transactions and the markers of
// transactions.
type Lag struct {
	Partition
	Messages int64
}

// WithHooks adds hooks for metrics and traces. WithHooks may be given several
// times. The processor then calls all hooks in order. Each Start function gets
// the context that the Start function before has returned.
func WithHooks(h Hooks) Option {
	return Option{"WithHooks", func(c *config) { c.hooks = append(c.hooks, h) }}
}

// callHooks calls call for all hooks. name is for the log.
func (o *observer) callHooks(name string, call func(h *Hooks)) {
	for i := range o.hooks {
		func() {
			defer hook.Recover(o.settings.Logger, "processor.Hooks."+name)
			call(&o.hooks[i])
		}()
	}
}

// observer calls the hooks of a processor.
type observer struct {
	*input
	hooks []Hooks
	// Each field is true if there is a hook of the kind.
	polls, batches, records, rebalances, lag bool

	assigned  map[Partition]bool  // the last assignment
	positions map[Partition]int64 // the next offset to commit
	lastLag   time.Time           // the last measurement of the lag
}

const (
	lagInterval = 10 * time.Second
	// lagTimeout limits a measurement, because no message is handled meanwhile.
	lagTimeout = time.Second
)

func newObserver(in *input, all []Hooks) *observer {
	o := &observer{input: in, hooks: all, positions: map[Partition]int64{}}
	for _, h := range all {
		o.polls = o.polls || h.Polled != nil
		o.batches = o.batches || h.StartBatch != nil || h.EndBatch != nil
		o.records = o.records || h.StartRecord != nil || h.EndRecord != nil
		o.rebalances = o.rebalances || h.Rebalanced != nil
		o.lag = o.lag || h.Lag != nil
	}
	return o
}

func (o *observer) record(m *transport.ConsumedMessage) Record {
	r := Record{
		Group: o.group, Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp, Key: m.Key,
		Bytes: len(m.Key) + len(m.Value), Tombstone: m.Value == nil,
	}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, serde.Header{Key: h.Key, Value: h.Value})
	}
	return r
}

// observePoll calls collect and reports the result to the hooks.
func (o *observer) observePoll(ctx context.Context, collect func() ([]*transport.ConsumedMessage, error)) ([]*transport.ConsumedMessage, error) {
	if !o.polls {
		return collect()
	}
	begun := time.Now()
	messages, err := collect()
	p := Poll{Group: o.group, Messages: len(messages), Took: time.Since(begun), Err: err}
	for _, m := range messages {
		p.Bytes += len(m.Key) + len(m.Value)
	}
	o.callHooks("Polled", func(h *Hooks) {
		if h.Polled != nil {
			h.Polled(ctx, p)
		}
	})
	return messages, err
}

// observeBatch runs one attempt at a batch. The function again reports whether
// the processor tries the batch again after an error.
func (o *observer) observeBatch(ctx context.Context, messages []*transport.ConsumedMessage, run func(context.Context) error, again func(error) bool) error {
	if !o.batches {
		return run(ctx)
	}
	b := Batch{Group: o.group}
	for _, m := range messages {
		b.Records = append(b.Records, o.record(m))
	}
	o.callHooks("StartBatch", func(h *Hooks) {
		if h.StartBatch != nil {
			ctx = hookContext(ctx, h.StartBatch(ctx, b))
		}
	})
	e := BatchEnd{Err: errPanicked}
	begun := time.Now()
	defer func() {
		e.Took = time.Since(begun)
		o.callHooks("EndBatch", func(h *Hooks) {
			if h.EndBatch != nil {
				h.EndBatch(ctx, b, e)
			}
		})
	}()
	err := run(ctx)
	e.Err, e.Again = err, err != nil && again(err)
	return err
}

// errPanicked is the error of a batch or record whose function panicked.
var errPanicked = errors.New("processor: the function panicked")

// hookContext returns the context of a hook, or ctx if the hook returned nil.
func hookContext(ctx, of context.Context) context.Context {
	if of == nil {
		return ctx
	}
	return of
}

// observeMessage handles one message between StartRecord and EndRecord. Call
// one only if records is true.
func (o *observer) observeMessage(ctx context.Context, m *transport.ConsumedMessage, run func(context.Context) (bad, err error)) error {
	r := o.record(m)
	o.callHooks("StartRecord", func(h *Hooks) {
		if h.StartRecord != nil {
			ctx = hookContext(ctx, h.StartRecord(ctx, r))
		}
	})
	e := RecordEnd{Err: errPanicked}
	begun := time.Now()
	defer func() {
		e.Took = time.Since(begun)
		o.callHooks("EndRecord", func(h *Hooks) {
			if h.EndRecord != nil {
				h.EndRecord(ctx, r, e)
			}
		})
	}()
	bad, err := run(ctx)
	e.Bad, e.Err = bad, err
	return err
}

// noteCommitted notes the positions of a committed batch.
func (o *observer) noteCommitted(messages []*transport.ConsumedMessage) {
	if !o.lag {
		return
	}
	for _, m := range messages {
		p := Partition{m.Topic, m.Partition}
		if _, known := o.positions[p]; !known {
			o.lastLag = time.Time{} // the first position of the partition: measure at once
		}
		o.positions[p] = m.Offset + 1
	}
}

// reportProgress reports rebalances and, from time to time, the lag to the
// hooks. reportProgress is called between two batches.
func (o *observer) reportProgress(ctx context.Context) {
	if !o.rebalances && !o.lag {
		return
	}
	assigned, err := o.consumer.Assignment()
	if err != nil {
		return
	}
	now := make(map[Partition]bool, len(assigned))
	for _, tp := range assigned {
		now[Partition{tp.Topic, tp.Partition}] = true
	}
	o.assign(ctx, now)
	if o.lag && len(now) > 0 && time.Since(o.lastLag) >= lagInterval {
		o.lastLag = time.Now()
		o.reportLag(ctx)
	}
}

// end reports the end of Run, which gives up all partitions.
func (o *observer) end(ctx context.Context) { o.assign(context.WithoutCancel(ctx), nil) }

// assign reports an assignment that differs from the last assignment.
func (o *observer) assign(ctx context.Context, now map[Partition]bool) {
	if maps.Equal(now, o.assigned) {
		return
	}
	r := Rebalance{Group: o.group, NowPartitions: len(now), Assigned: addedPartitions(o.assigned, now), Revoked: addedPartitions(now, o.assigned)}
	for _, p := range r.Revoked {
		delete(o.positions, p)
	}
	o.assigned, o.lastLag = now, time.Time{}
	o.callHooks("Rebalanced", func(h *Hooks) {
		if h.Rebalanced != nil {
			h.Rebalanced(ctx, r)
		}
	})
}

// addedPartitions returns the partitions that are in after but not in before,
// sorted.
func addedPartitions(before, after map[Partition]bool) []Partition {
	var out []Partition
	for p := range after {
		if !before[p] {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, comparePartitions)
	return out
}

func comparePartitions(a, b Partition) int {
	if a.Topic != b.Topic {
		if a.Topic < b.Topic {
			return -1
		}
		return 1
	}
	return int(a.Partition - b.Partition)
}

// reportLag reports the lag to the hooks. A partition without a committed
// offset has no lag yet.
func (o *observer) reportLag(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lagTimeout)
	defer cancel()
	var ask []transport.TopicPartition
	for p := range o.assigned {
		if _, known := o.positions[p]; !known {
			ask = append(ask, transport.TopicPartition{Topic: p.Topic, Partition: p.Partition})
		}
	}
	if len(ask) > 0 {
		found, err := o.consumer.Committed(ctx, ask)
		if err != nil {
			return
		}
		for _, tp := range found {
			if tp.Offset >= 0 {
				o.positions[Partition{tp.Topic, tp.Partition}] = tp.Offset
			}
		}
	}
	var out []Lag
	for _, topic := range o.topics {
		ends, err := o.consumer.EndOffsets(ctx, topic)
		if err != nil {
			return
		}
		for partition, end := range ends {
			p := Partition{topic, partition}
			if at, known := o.positions[p]; known && o.assigned[p] {
				out = append(out, Lag{p, max(0, end-at)})
			}
		}
	}
	slices.SortFunc(out, func(a, b Lag) int { return comparePartitions(a.Partition, b.Partition) })
	o.callHooks("Lag", func(h *Hooks) {
		if h.Lag != nil {
			h.Lag(ctx, o.group, out)
		}
	})
}
