package processor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/open"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/serde"
)

// Processor reads the topics of a group. One transaction commits the output of
// the function and the offsets of the input. A Processor is safe for concurrent
// use, but Run must be called only once.
type Processor[In any] struct {
	id       string
	group    string
	topics   []string
	config   config
	settings *settings.Config
	decode   *serde.Deserializer[In]
	f        Function[In]
	t        *producer.Transactional
	runErr   atomic.Pointer[error] // the error of Run, if Run has returned one

	// Only the goroutine of Run uses the fields below.
	in            *input
	observer      *observer
	batch         []*transport.ConsumedMessage // the messages of the open transaction
	resumeOffsets []transport.TopicPartition   // the positions to continue at if the outcome of a commit stays unknown
	poisoned      map[messageOffset]error      // messages that go to the bad handler in the next attempt
	messages      int                          // the current limit on the messages of a batch
	timeouts      int                          // the number of consecutive attempts in which a single message took too long
}

// Format prints the name and the topics for every verb, because the settings
// may contain passwords, and the batch contains messages.
func (p *Processor[In]) Format(s fmt.State, _ rune) {
	if p == nil {
		_, _ = fmt.Fprint(s, "<nil>")
		return
	}
	_, _ = fmt.Fprintf(s, "processor.Processor(%s, from %s)", p.id, strings.Join(p.topics, ", "))
}

// Function is called for each message, in the order of its partition. Function
// adds the results of the message to the transaction. After an abort, Function
// runs again for the same message, so Function must have no other lasting
// effect. A counter, for example, belongs in [producer.Tx.OnEnd].
//
// An error ends Run, with two exceptions. First, an error made by [Poison], or
// the producer's refusal of a single message, goes to the handler of
// [WithBadHandler] if there is one. Second, after an error that wraps
// [serde.ErrRegistry] or [producer.ErrWouldBlock] the processor handles the
// batch again after a pause.
type Function[In any] func(ctx context.Context, tx *producer.Tx, m Consumed[In]) error

const (
	// closeTimeout limits the time to close after the context of Run has ended.
	closeTimeout = 10 * time.Second
	// maxTimeouts is the number of tries for a message that takes longer than
	// the transaction timeout.
	maxTimeouts = 3
)

// New makes a processor and does not wait for I/O. Go infers In from f.
// Processes with the same group share the group's partitions. Each running
// process needs a different transactionalID, and the id must stay the same
// after a restart. Use the ordinal of a pod, for example, and not the random
// name of a pod. The error lists all mistakes in the arguments.
func New[In any](brokers []string, transactionalID, group string, topics []string,
	d *serde.Deserializer[In], s *serde.Serializer, f Function[In], opts ...Option,
) (*Processor[In], error) {
	c := config{messages: 1000, bytes: 1 << 20, wait: 100 * time.Millisecond}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(&c)
		}
	}
	c.producer = append([]producer.Option{producer.WithTransactionTimeout(10 * time.Second)}, c.producer...)
	errs := c.check()
	if group == "" {
		errs = append(errs, optionError("group", "", "must not be empty"))
	}
	if len(topics) == 0 {
		errs = append(errs, optionError("topics", "", "must name at least one topic"))
	}
	for _, t := range topics {
		if err := settings.CheckTopicName(t); err != nil {
			errs = append(errs, optionError("topics", t, err.Error()))
		}
	}
	if d == nil || s == nil || f == nil {
		errs = append(errs, optionError("deserializer, serializer, function", "", "must not be nil"))
	}
	set, err := settings.Read(settings.ForProcessor, brokers, transactionalID, c.producer)
	if err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p := &Processor[In]{
		id: transactionalID, group: group, topics: topics, config: c, settings: set, decode: d, f: f,
		poisoned: map[messageOffset]error{}, messages: c.messages,
	}
	p.t, err = producer.NewTransactional(brokers, transactionalID, s,
		append(settings.As(settings.ForProcessor, c.producer), producer.WithResolver(p))...)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Stats returns the counts of the produced messages. See
// [producer.Transactional.Stats].
func (p *Processor[In]) Stats() producer.Stats { return p.t.Stats() }

// Prepare checks the topics that the function writes to. Prepare is optional.
// See [producer.Transactional.Prepare].
func (p *Processor[In]) Prepare(ctx context.Context, topics ...producer.Prepared) error {
	return p.t.Prepare(ctx, topics...)
}

// Run works until ctx ends. Run then aborts the open batch, leaves the group
// and returns nil. The next run reads the batch again. Run returns earlier only
// after a permanent error: an error of the function, [producer.ErrFenced], a
// topic that does not exist, or a missing permission. During outages,
// rebalances and a freeze of the process, Run waits. Call Run only once,
// because Run closes the processor.
func (p *Processor[In]) Run(ctx context.Context) (err error) {
	defer func() {
		closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer done()
		closed := p.t.Close(closing)
		p.settings.CloseLog()
		var left *producer.UndeliveredError
		if errors.As(closed, &left) && left.Err == nil { // a commit is in doubt: the next run reads the outcome from the group's offsets
			closed = nil
		}
		if err = errors.Join(err, closed); err != nil {
			p.runErr.Store(&err)
		}
	}()
	err = p.run(ctx)
	switch {
	case err == nil, ctx.Err() != nil && !errors.Is(err, producer.ErrFenced):
		return nil // the open batch was aborted, and the next run reads it again
	}
	return fmt.Errorf("processor: %w", err)
}

func (p *Processor[In]) run(ctx context.Context) error {
	// takeOver comes first. takeOver aborts the open transaction of an earlier
	// run, so that the group's offsets become readable.
	if err := p.takeOver(ctx); err != nil {
		return err
	}
	protocol := transport.Protocol(p.config.protocol)
	if protocol == "" {
		var err error
		if protocol, err = open.ChooseProtocol(ctx, p.settings); err != nil {
			return err
		}
	} else if err := open.CheckProtocol(ctx, p.settings, protocol); err != nil {
		return optionError("WithGroupProtocol", p.config.protocol, err.Error())
	}
	p.settings.Logger.InfoContext(ctx, "group_protocol", "group", p.group, "protocol", string(protocol))
	in, err := openInput(p.settings, p.group, p.topics, protocol)
	if err != nil {
		return err
	}
	defer in.close()
	p.in, p.observer = in, newObserver(in, p.config.hooks)
	defer p.observer.end(ctx)
	if err := p.findTopics(ctx); err != nil {
		return err
	}
	pause := p.settings.RetryBackoff
	for ctx.Err() == nil {
		p.batch, err = p.observer.observePoll(ctx, func() ([]*transport.ConsumedMessage, error) { return in.collect(ctx, &p.config, p.messages) })
		if err != nil {
			return err
		}
		p.observer.reportProgress(ctx)
		if len(p.batch) == 0 {
			continue
		}
		err = p.attempt(ctx)
		for p.isPoisoned(err) && ctx.Err() == nil {
			err = p.attempt(ctx)
		}
		if err == nil {
			pause = p.settings.RetryBackoff
			p.messages = min(2*p.messages, p.config.messages)
			continue
		}
		if !p.isRetriable(err) {
			return err
		}
		p.settings.LogAgain(ctx, pause, "batch_again", "group", p.group, "messages", len(p.batch), "err", err)
		if p.resumeOffsets != nil {
			in.seek(p.resumeOffsets)
		} else {
			in.seek(firstOffsets(p.batch))
		}
		if err := in.pause(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, p.settings.RetryBackoffMax)
	}
	return nil
}

// takeOver acquires the transactional id. During an outage, takeOver waits.
func (p *Processor[In]) takeOver(ctx context.Context) error {
	for {
		err := p.t.Prepare(ctx)
		var refused *producer.TxError
		switch {
		case err == nil, ctx.Err() != nil:
			return err
		case errors.Is(err, context.DeadlineExceeded): // after a long wait
		case errors.As(err, &refused) && refused.Retriable:
			select {
			case <-time.After(p.settings.RetryBackoffMax):
			case <-ctx.Done():
			}
		default:
			return err
		}
		p.settings.Logger.WarnContext(ctx, "brokers_away", "group", p.group, "err", err)
	}
}

// findTopics checks that the input topics exist.
func (p *Processor[In]) findTopics(ctx context.Context) error {
	for _, name := range p.topics {
		_, err := p.in.consumer.EndOffsets(ctx, name)
		switch {
		case err == nil:
		case open.Code(err) == transport.UnknownTopicOrPartition:
			return fmt.Errorf("%w: the brokers have no topic %q to read from: %w", producer.ErrUnknownTopic, name, err)
		default:
			return fmt.Errorf("look up topic %s: %w", name, open.ExplainDenied(p.settings, err, "Read", name))
		}
	}
	return nil
}

// Resume is called by the producer after it has acquired the transactional id.
// If the commit of a batch is in doubt, Resume reads the outcome from the
// group's offsets.
func (p *Processor[In]) Resume(ctx context.Context, inDoubt bool) (committed bool, err error) {
	if !inDoubt {
		return false, nil
	}
	from := firstOffsets(p.batch)
	back, err := p.in.committed(ctx, from)
	if err != nil {
		return false, err
	}
	if !p.in.owns(from) {
		p.resumeOffsets = back
		return false, fmt.Errorf("%w: another member of the group has the partitions now, and may have committed them", producer.ErrOutcomeUnknown)
	}
	return back[0].Offset > from[0].Offset, nil
}

// attempt calls process and the hooks.
func (p *Processor[In]) attempt(ctx context.Context) error {
	err := p.observer.observeBatch(ctx, p.batch, p.process, func(err error) bool {
		return ctx.Err() == nil && (p.isPoisoned(err) || p.isRetriable(err))
	})
	if err == nil {
		p.observer.noteCommitted(p.batch)
	}
	return err
}

// process handles the batch in one transaction.
func (p *Processor[In]) process(ctx context.Context) error {
	p.resumeOffsets = nil
	var ofFunction error
	err := p.t.InTxOnce(ctx, func(tx *producer.Tx) error {
		var poisoned error
		for _, m := range p.batch {
			err := p.handleObserved(ctx, tx, m)
			switch {
			case err == nil:
			case tx.Err() != nil:
				return err
			case p.isPoisoned(err):
				// The transaction must be aborted. The other messages are
				// handled too, so one abort is enough for all of them.
				poisoned = err
			default:
				ofFunction = err
				return err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		if poisoned != nil {
			ofFunction = poisoned
			return poisoned
		}
		return tx.SendOffsets(ctx, offsetsToCommit(p.batch), p.in.member)
	})
	switch {
	case err == nil:
		p.timeouts = 0
		if len(p.poisoned) > 0 {
			for _, m := range p.batch {
				delete(p.poisoned, offsetOf(m))
			}
		}
		return nil
	case ofFunction != nil:
		if mustWait(ofFunction) || p.isPoisoned(ofFunction) {
			return err
		}
		return permanentError{err}
	case errors.Is(err, producer.ErrOutcomeUnknown):
		return err
	case open.IsRefusal(err):
		return p.isolate(err)
	case errors.Is(err, producer.ErrTxTimedOut):
		return p.handleTimeout(err)
	}
	return err
}

// permanentError is an error that would occur again with the same batch.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// mustWait reports whether a message may be good and must wait. The registry or
// a service of a rule does not answer, or the buffer is full.
func mustWait(err error) bool {
	return errors.Is(err, serde.ErrRegistry) || errors.Is(err, producer.ErrWouldBlock)
}

// isRetriable reports whether a new attempt at the batch may succeed.
func (p *Processor[In]) isRetriable(err error) bool {
	var failed *producer.TxError
	switch {
	case errors.Is(err, producer.ErrFenced), errors.Is(err, producer.ErrClosed), errors.As(err, new(permanentError)):
		return false
	case errors.Is(err, producer.ErrOutcomeUnknown):
		return p.resumeOffsets != nil
	case errors.Is(err, producer.ErrTxTimedOut), mustWait(err), open.IsRefusal(err), p.isPoisoned(err):
		return true
	}
	return errors.As(err, &failed) && failed.Retriable
}

// isolate searches for the message whose results a broker refuses. isolate
// halves the batches until a batch has only one message. This message is then
// poisoned.
func (p *Processor[In]) isolate(err error) error {
	if len(p.batch) > 1 {
		p.messages = max(1, len(p.batch)/2)
		return err
	}
	at := offsetOf(p.batch[0])
	if p.config.onBad == nil || p.poisoned[at] != nil { // the broker also refused the output of the bad handler
		return permanentError{fmt.Errorf("%v: %w", at, err)}
	}
	p.poisoned[at] = err
	return poisonError{err}
}

// handleTimeout halves the batch, because the transaction took longer than its
// timeout. A single message gets several attempts, because a frozen process
// causes the same timeout.
func (p *Processor[In]) handleTimeout(err error) error {
	if len(p.batch) > 1 {
		p.messages = max(1, len(p.batch)/2)
		return err
	}
	if p.timeouts++; p.timeouts < maxTimeouts {
		return err
	}
	return permanentError{fmt.Errorf("%v took longer than the transaction timeout, %d times: make the function faster, or raise WithTransactionTimeout: %w", offsetOf(p.batch[0]), p.timeouts, err)}
}

// isPoisoned reports whether the batch must be handled again at once, because a
// message now goes to the bad handler.
func (p *Processor[In]) isPoisoned(err error) bool {
	return p.config.onBad != nil && errors.As(err, new(poisonError)) && !errors.As(err, new(permanentError))
}

// handleObserved calls one and the hooks.
func (p *Processor[In]) handleObserved(ctx context.Context, tx *producer.Tx, m *transport.ConsumedMessage) error {
	if !p.observer.records { // without this test, each message would allocate the function below
		_, err := p.handleMessage(ctx, tx, m)
		return err
	}
	return p.observer.observeMessage(ctx, m, func(ctx context.Context) (bad, err error) { return p.handleMessage(ctx, tx, m) })
}

// handleMessage handles a single message. bad is the reason why the message
// went to the bad handler.
func (p *Processor[In]) handleMessage(ctx context.Context, tx *producer.Tx, m *transport.ConsumedMessage) (bad, err error) {
	at := offsetOf(m)
	if reason := p.poisoned[at]; reason != nil {
		return reason, p.handleBad(ctx, tx, m, reason)
	}
	c := consumedWithoutValue[In](m)
	value := new(In)
	err = p.decode.DecodeInto(ctx, serde.Input{Topic: m.Topic, Part: serde.Value, Data: m.Value, Header: m.Header}, value)
	switch {
	case err == nil:
		c.Value = value
	case errors.Is(err, serde.ErrTombstone):
	case errors.Is(err, serde.ErrRegistry), ctx.Err() != nil: // the message itself may be correct
		return nil, err
	case errors.Is(err, serde.ErrNoExecutor):
		// The program lacks the executor of a rule, so every message would
		// fail.
		return nil, fmt.Errorf("%v: %w", offsetOf(m), err)
	default:
		return err, p.handleBad(ctx, tx, m, err)
	}
	err = p.f(ctx, tx, c)
	if err == nil || tx.Err() != nil {
		return nil, err
	}
	var poison poisonError
	if p.config.onBad != nil {
		switch {
		case errors.As(err, &poison):
			p.poisoned[at] = poison.error
		case isOwnRefusal(err) && ctx.Err() == nil:
			p.poisoned[at] = err
			err = poisonError{err}
		}
	}
	return nil, fmt.Errorf("%v: %w", at, err)
}

// isOwnRefusal reports whether the producer refused a single message because of
// the message's content.
func isOwnRefusal(err error) bool {
	return errors.As(err, new(*producer.MessageError)) && !mustWait(err) && !errors.Is(err, producer.ErrUnknownTopic) &&
		!errors.Is(err, producer.ErrClosed) && open.Code(err) == 0
}

// handleBad calls the bad handler with the message.
func (p *Processor[In]) handleBad(ctx context.Context, tx *producer.Tx, m *transport.ConsumedMessage, reason error) error {
	at := offsetOf(m)
	if p.config.onBad == nil {
		return fmt.Errorf("%v: %w", at, reason)
	}
	r := Raw{Consumed: consumedWithoutValue[[]byte](m), Err: reason}
	if m.Value != nil {
		r.Value = &m.Value
	}
	err := p.config.onBad(ctx, tx, r)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%v: bad handler: %w", at, err)
	if errors.As(err, new(poisonError)) { // the bad handler would get the message again, without end
		err = permanentError{err}
	}
	return err
}
