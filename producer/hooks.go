package producer

import (
	"context"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// Hooks see every message from start to end, and every transaction. Each
// function may be nil. The functions must not block and must be safe for
// concurrent use. A panic in a function is reported like a panic in a callback.
// Without hooks there is no allocation and no delay.
type Hooks struct {
	// Start is called for each message on the publishing goroutine, before the
	// client receives the message. Start returns a token. The token comes back
	// in exactly one Refused, or in one Accepted and one Outcome. Start may
	// append to *Headers, for example a traceparent from ctx.
	Start func(ctx context.Context, s *Start) (token any)
	// Refused is called if the message was refused. err is the error that the
	// caller gets.
	Refused func(token any, err error)
	// Accepted is called when the message is in the buffer. Accepted may be
	// called after Outcome, because the two run on different goroutines. bytes
	// is the size of key, value and headers.
	Accepted func(token any, bytes int)
	// Outcome is called on the delivery goroutine when the message has an
	// outcome. In a transaction, this is the outcome of the write to the log.
	// The Transaction hook says whether the message is committed.
	Outcome func(token any, o Outcome)
	// Transaction is called when a transaction begins and ends.
	Transaction func(ctx context.Context, e TransactionEvent)
}

// Start describes a message before it is published. The value is valid during
// the call.
type Start struct {
	Topic string
	// RecordName is the full Avro name of the record. It is empty for a
	// tombstone and for bytes that were encoded elsewhere.
	RecordName      string
	Key             []byte // nil if there is no key or if encoding failed
	Tombstone       bool
	TransactionalID string // empty outside of transactions
	Headers         *[]serde.Header
}

// Outcome is the outcome of a message, for [Hooks].
type Outcome struct {
	Delivery Delivery
	Err      error         // nil, or a [*MessageError]
	Waited   time.Duration // from acceptance to outcome
}

// TransactionEvent is a step of a transaction, for [Hooks].
type TransactionEvent struct {
	Kind            TransactionKind
	TransactionalID string
	Messages        int64         // messages added
	Open            time.Duration // since the first message
	Err             error         // why it is aborted or in doubt
}

// TransactionKind says what happened to a transaction.
type TransactionKind uint8

const (
	// TransactionBegun comes before the function runs. The function may run
	// several times, each time in a new transaction.
	TransactionBegun TransactionKind = iota + 1
	// TransactionCommitted says that all messages are visible.
	TransactionCommitted
	// TransactionAborted says that no message is visible.
	TransactionAborted
	// TransactionInDoubt says that the answer to the commit is missing.
	TransactionInDoubt
	// TransactionResolved says that a [Resolver] has found the outcome of a
	// commit in doubt. TransactionCommitted or TransactionAborted follows.
	TransactionResolved
)

func (k TransactionKind) String() string {
	return [...]string{"", "begun", "committed", "aborted", "in doubt", "resolved"}[k]
}

// WithFailureHandler sets a function for failures that no other code receives.
// f gets messages that were published without a callback and not delivered, and
// panics in callbacks ([*PanicError]). f runs on the delivery goroutine and
// must not block. Default: failures are logged. In both cases [Stats] and the
// result of Close count the failures.
func WithFailureHandler(f func(d Delivery, err error)) Option {
	return settings.Carry("WithFailureHandler", failureHandler(f))
}

type failureHandler func(d Delivery, err error)

// lastFailureHandler returns the handler of the last option, or nil if there is
// no handler.
func lastFailureHandler(c *settings.Config) failureHandler {
	all := settings.Carried[failureHandler](c)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// hooks are all given hooks.
type hooks struct {
	all         []Hooks
	set         bool // a hook for messages exists
	transaction bool // a hook for transactions exists
}

func joinHooks(all []Hooks) hooks {
	h := hooks{all: all}
	for _, one := range all {
		h.set = h.set || one.Start != nil || one.Refused != nil || one.Accepted != nil || one.Outcome != nil
		h.transaction = h.transaction || one.Transaction != nil
	}
	return h
}

// start returns the token of a message. With several hooks the token is the
// list of their tokens.
func (h *hooks) start(ctx context.Context, s *Start) any {
	if len(h.all) == 1 {
		if h.all[0].Start == nil {
			return nil
		}
		return h.all[0].Start(ctx, s)
	}
	tokens := make([]any, len(h.all))
	for i, one := range h.all {
		if one.Start != nil {
			tokens[i] = one.Start(ctx, s)
		}
	}
	return tokens
}

// each calls f for each hook with its token.
func (h *hooks) each(token any, f func(one *Hooks, token any)) {
	if len(h.all) == 1 {
		f(&h.all[0], token)
		return
	}
	tokens, _ := token.([]any)
	for i := range h.all {
		if i < len(tokens) {
			f(&h.all[i], tokens[i])
		}
	}
}

func (h *hooks) refused(token any, err error) {
	h.each(token, func(one *Hooks, token any) {
		if one.Refused != nil {
			one.Refused(token, err)
		}
	})
}

func (h *hooks) accepted(token any, bytes int64) {
	h.each(token, func(one *Hooks, token any) {
		if one.Accepted != nil {
			one.Accepted(token, int(bytes))
		}
	})
}

func (h *hooks) outcome(o *outcome) {
	out := Outcome{Delivery: o.delivery, Err: o.err, Waited: time.Since(epoch) - time.Duration(o.since)}
	h.each(o.token, func(one *Hooks, token any) {
		if one.Outcome != nil {
			one.Outcome(token, out)
		}
	})
}

// hookedMessage is a message with its token, between Start and Outcome.
type hookedMessage struct {
	start Start
	begun bool
	token any
}

// begin calls Start, with the headers of the message.
func (h *hookedMessage) begin(ctx context.Context, s *scratch) {
	h.start.Key, h.start.Headers, h.begun = s.message.Key, &s.headers, true
	h.token = s.binding.core.hooks.start(ctx, &h.start)
	h.start.Headers, h.start.Key = nil, nil
	s.entry.token = h.token
}

// refused calls Refused. refused calls Start first if the message failed before
// Start.
func (h *hookedMessage) refused(ctx context.Context, c *core, err error) {
	if !h.begun {
		var none []serde.Header
		h.start.Headers = &none
		h.token = c.hooks.start(ctx, &h.start)
	}
	c.hooks.refused(h.token, err)
}

// tell reports a step of a transaction.
func (t *Transactional) tell(ctx context.Context, tx *Tx, kind TransactionKind, err error) {
	h := &t.core.hooks
	if !h.transaction {
		return
	}
	e := TransactionEvent{Kind: kind, TransactionalID: t.core.config.TransactionalID, Messages: tx.added.Load(), Open: tx.open(), Err: err}
	for i := range h.all {
		if f := h.all[i].Transaction; f != nil {
			f(ctx, e)
		}
	}
}
