package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// Consumed is one message read, with where it came from.
type Consumed[T any] struct {
	Value     *T // nil for a tombstone
	Key       []byte
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	Headers   []serde.Header
}

// Raw is a consumed message that cannot be processed: Err says why.
type Raw struct {
	Consumed[[]byte]
	Err error
}

// ProcessorConfig says what a [Processor] reads and how much of it goes into one transaction.
type ProcessorConfig struct {
	Brokers []string
	// Group is the consumer group. Processes with the same group share the partitions.
	Group string
	// TransactionalID is one per running process, kept across restarts: a pod's ordinal, not its random name.
	TransactionalID string
	Topics          []string

	// A transaction ends when it holds BatchMessages messages read or BatchBytes bytes of them, or BatchWait has passed
	// since the first. Default 1,000 messages, 1 MiB and 100 ms. Transactions cost the broker some 50 ms each on a
	// replicated cluster, so larger batches are faster, and later visible.
	BatchMessages int
	BatchBytes    int
	BatchWait     time.Duration

	// OnBad is called in the transaction for a message that does not decode, or for which the function returned an error
	// made by [Poison]. When it returns nil the message is done with. Nil: such a message ends Run with its error.
	// [DeadLetter] makes one.
	OnBad func(ctx context.Context, tx *Tx, m Raw) error

	// GroupProtocol is "consumer" (KIP-848, brokers from 4.0; the default) or "classic".
	GroupProtocol string
	// StopWithin is how long Run may go on with the batch in hand after its context ended. Default 10 s.
	StopWithin time.Duration
}

// Processor reads a group's topics, and commits what its function adds together with the offsets of what it read
// (KIP-447): each message read has its effect exactly once, through rebalances, restarts and kill -9 at any point.
type Processor[In any] struct {
	config   ProcessorConfig
	decode   *serde.Deserializer[In]
	f        func(ctx context.Context, tx *Tx, m Consumed[In]) error
	t        *Transactional
	resolver *processorResolver
}

// NewProcessor makes a processor; In is inferred from f. It does no I/O that it waits for. f is called for each message, in
// the order of its partition, on Run's goroutine; it adds to the transaction what follows from the message. It runs again
// for the same message after an abort, so it must have no other lasting effect. An error of f ends Run, unless it is made by
// [Poison].
//
// The options are those of [NewTransactional]; a transaction may stay open for 10 s unless [WithTransactionTimeout] says
// otherwise, since that is for how long the partitions of a process that died are held up. Settings of the consumer go
// through [WithConfig] or a file, except those that exactly-once rests on.
func NewProcessor[In any](c ProcessorConfig, d *serde.Deserializer[In], s *serde.Serializer,
	f func(ctx context.Context, tx *Tx, m Consumed[In]) error, opts ...Option,
) (*Processor[In], error) {
	opts = append([]Option{WithTransactionTimeout(10 * time.Second)}, opts...)
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &ConfigError{Setting: "ProcessorConfig." + field, Value: value, Reason: reason})
	}
	if c.Group == "" {
		bad("Group", "", "must not be empty")
	}
	if len(c.Topics) == 0 {
		bad("Topics", "", "must name at least one topic")
	}
	for _, t := range c.Topics {
		if err := checkTopicName(t); err != nil {
			bad("Topics", t, err.Error())
		}
	}
	if d == nil || f == nil {
		bad("", "", "deserializer and function must not be nil")
	}
	orDefault(&c.BatchMessages, 1000)
	orDefault(&c.BatchBytes, 1<<20)
	orDefault(&c.BatchWait, 100*time.Millisecond)
	orDefault(&c.StopWithin, 10*time.Second)
	orDefault(&c.GroupProtocol, "consumer")
	if c.BatchMessages < 0 || c.BatchBytes < 0 || c.BatchWait < 0 || c.StopWithin < 0 {
		bad("Batch…, StopWithin", "", "must not be negative")
	}
	if c.GroupProtocol != "consumer" && c.GroupProtocol != "classic" {
		bad("GroupProtocol", c.GroupProtocol, `must be "consumer" or "classic"`)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	t, err := newTransactional(settings.ForProcessor, c.Brokers, c.TransactionalID, s, opts)
	if err != nil {
		return nil, err
	}
	resolver := &processorResolver{}
	t.resolver = resolver
	return &Processor[In]{config: c, decode: d, f: f, t: t, resolver: resolver}, nil
}

func orDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Stats are the books of what was produced; see [Transactional.Stats]. A commit in doubt is Unknown until the group's offsets
// have told.
func (p *Processor[In]) Stats() Stats { return p.t.Stats() }

// poisonError marks a message that cannot be processed, ever.
type poisonError struct{ error }

func (e poisonError) Unwrap() error { return e.error }

// Poison marks an error of a processor's function as the message's own fault: the batch is aborted and done again with the
// message given to [ProcessorConfig.OnBad] in place of the function. err must not be nil.
func Poison(err error) error { return poisonError{err} }

// Run works until ctx ends; then it finishes the batch in hand, within StopWithin, or aborts it, leaves the group and
// returns nil. Before that it returns only for what does not pass: an error of the function, [ErrFenced], a topic that is
// not there, no permission. Outages are waited out. It closes the processor: Run is called once.
func (p *Processor[In]) Run(ctx context.Context) (err error) {
	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer func() {
		closing, done := context.WithTimeout(context.WithoutCancel(ctx), p.config.StopWithin)
		defer done()
		closed := p.t.Close(closing)
		var left *UndeliveredError
		if errors.As(closed, &left) && left.Err == nil { // in doubt: the group's offsets will tell the next run
			closed = nil
		}
		err = errors.Join(err, closed)
	}()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(p.config.StopWithin, cancel) })
	defer stop()

	if !p.t.core.hold() {
		return ErrClosed
	}
	defer p.t.core.background.Done()
	// The id is taken over first: that ends what an earlier run of this process left open, and with it the wait of the group
	// for those offsets.
	if err := p.start(ctx); err != nil {
		return stopped(ctx, err)
	}
	in, err := openInput(p.t.core, &p.config)
	if err != nil {
		return err
	}
	defer in.close()
	p.resolver.in = in
	pause := p.t.core.config.RetryBackoff
	for ctx.Err() == nil {
		batch, err := in.collect(ctx)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			continue
		}
		again, err := p.process(grace, in, batch)
		for again && p.poisoned(err) && ctx.Err() == nil {
			again, err = p.process(grace, in, batch)
		}
		if err == nil {
			pause = p.t.core.config.RetryBackoff
			continue
		}
		if !again {
			return stopped(ctx, err)
		}
		p.t.core.config.Logger.Info("batch_again", "group", p.config.Group, "err", err)
		if p.resolver.back != nil {
			in.seek(p.resolver.back)
		} else {
			in.seek(first(batch))
		}
		if err := in.pause(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, p.t.core.config.RetryBackoffMax)
	}
	return nil
}

// stopped drops the error of a run that was told to stop: what was in hand is aborted, and read again by the next run.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ErrFenced) {
		return nil
	}
	return err
}

// start finds the topics and takes the transactional id over, waiting out an outage.
func (p *Processor[In]) start(ctx context.Context) error {
	for _, name := range p.config.Topics {
		for {
			_, err := p.t.core.topic(name).find(ctx)
			var small *batchTooLargeError // of no matter to what is only read
			if err == nil || errors.As(err, &small) {
				break
			}
			if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) || p.t.core.trouble.refusal() != nil {
				return fmt.Errorf("producer: processor: %w", explainDenied(p.t.core.config, err, "Read", name))
			}
		}
	}
	return p.t.takeOver(ctx)
}

// Resume answers for a batch whose commit is in doubt: the group's offsets tell.
func (r *processorResolver) Resume(ctx context.Context, inDoubt bool) (committed bool, err error) {
	if !inDoubt {
		return false, nil
	}
	from := first(r.batch)
	back, err := r.in.committed(ctx, from)
	if err != nil {
		return false, err
	}
	if !r.in.owns(from) {
		r.back = back
		return false, fmt.Errorf("%w: another member of the group has the partitions now, and may have committed them", ErrOutcomeUnknown)
	}
	return back[0].Offset > from[0].Offset, nil
}

// processorResolver knows the batch in hand.
type processorResolver struct {
	in    *input
	batch []*kafka.Message
	back  []kafka.TopicPartition // what is committed, if the outcome stays unknown
}

// process is one batch in one transaction. again: it is not committed, and may be the next time.
func (p *Processor[In]) process(grace context.Context, in *input, batch []*kafka.Message) (again bool, err error) {
	p.resolver.batch, p.resolver.back = batch, nil
	var stays bool // the error is about the batch, and stays
	err = p.t.InTxOnce(grace, func(tx *Tx) error {
		for _, m := range batch {
			if err := p.one(grace, tx, in, m); err != nil {
				stays = !errors.Is(err, serde.ErrRegistry) && !p.poisoned(err) && tx.broken.Load() == nil
				return err
			}
			if grace.Err() != nil {
				return ended(grace)
			}
		}
		return tx.SendOffsets(grace, next(batch), GroupMember{Group: p.config.Group, Library: in.member})
	})
	failed := new(TxError)
	switch {
	case err == nil:
		in.forgive(batch)
		return false, nil
	case errors.Is(err, ErrOutcomeUnknown):
		return p.resolver.back != nil, err
	case stays:
		return false, err
	case errors.As(err, &failed) && failed.Retriable:
		return true, err
	}
	return errors.Is(err, serde.ErrRegistry) || p.poisoned(err), err
}

// poisoned: the batch goes to be done again at once, with a message given to OnBad.
func (p *Processor[In]) poisoned(err error) bool {
	return p.config.OnBad != nil && errors.As(err, new(poisonError))
}

// one is one message.
func (p *Processor[In]) one(ctx context.Context, tx *Tx, in *input, m *kafka.Message) error {
	if bad := in.poisoned[placeOf(m)]; bad != nil {
		return p.onBad(ctx, tx, m, bad)
	}
	c := Consumed[In]{
		Key: m.Key, Topic: *m.TopicPartition.Topic, Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset),
		Timestamp: m.Timestamp, Headers: headersOf(m),
	}
	value := new(In)
	err := p.decode.DecodeInto(ctx, serde.Input{Topic: c.Topic, Part: serde.Value, Data: m.Value, Header: headerIn(c.Headers)}, value)
	switch {
	case err == nil:
		c.Value = value
	case errors.Is(err, serde.ErrTombstone):
	case errors.Is(err, serde.ErrRegistry), ctx.Err() != nil: // nothing is known of the message
		return err
	default:
		return p.onBad(ctx, tx, m, err)
	}
	err = p.f(ctx, tx, c)
	var poison poisonError
	if errors.As(err, &poison) && p.config.OnBad != nil {
		in.poisoned[placeOf(m)] = poison.error
	}
	if err == nil || tx.broken.Load() != nil {
		return err
	}
	return fmt.Errorf("%s[%d]@%d: %w", c.Topic, c.Partition, c.Offset, err)
}

func (p *Processor[In]) onBad(ctx context.Context, tx *Tx, m *kafka.Message, err error) error {
	at := fmt.Sprintf("%s[%d]@%d", *m.TopicPartition.Topic, m.TopicPartition.Partition, m.TopicPartition.Offset)
	if p.config.OnBad == nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	r := Raw{Err: err, Consumed: Consumed[[]byte]{
		Key: m.Key, Topic: *m.TopicPartition.Topic, Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset),
		Timestamp: m.Timestamp, Headers: headersOf(m),
	}}
	if m.Value != nil {
		r.Value = &m.Value
	}
	if err := p.config.OnBad(ctx, tx, r); err != nil {
		return fmt.Errorf("%s: OnBad: %w", at, err)
	}
	return nil
}

func headersOf(m *kafka.Message) []serde.Header {
	var out []serde.Header
	for _, h := range m.Headers {
		out = append(out, serde.Header{Key: h.Key, Value: h.Value})
	}
	return out
}

// headerIn finds the last header of a name, as Kafka's clients do.
func headerIn(headers []serde.Header) func(key string) ([]byte, bool) {
	if len(headers) == 0 {
		return nil
	}
	return func(key string) ([]byte, bool) {
		for i := len(headers) - 1; i >= 0; i-- {
			if headers[i].Key == key {
				return headers[i].Value, true
			}
		}
		return nil, false
	}
}
