package producer

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/avroline/avroline/producer/internal/engine"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// Hooks see every message from start to end, and every transaction. Each
// function may be nil. The functions must not block and must be safe for
// concurrent use. A panic in a function is reported like a panic in a callback,
// and the message goes on. After a panic in Start, no other function of the
// same Hooks is called for the message. Without hooks there is no allocation
// and no delay.
type Hooks struct {
	// Start is called for each message on the publishing goroutine, before the
	// client receives the message. Start returns a token. The token comes back
	// in exactly one Refused, or in one Accepted and one Outcome. Start may
	// append to *Headers, for example a traceparent from ctx.
	Start func(ctx context.Context, s *Start) (token any)
	// Refused is called if the message was refused. err is the error that the
	// caller gets. [ReasonOf] returns its reason in one word.
	Refused func(token any, err error)
	// Accepted is called when the message is in the buffer. Accepted may be
	// called after Outcome, because the two run on different goroutines. bytes
	// is the size of key, value and headers.
	Accepted func(token any, bytes int)
	// Outcome is called when the message has an outcome, before the caller
	// learns the outcome: before Publish returns, before a future is ready and
	// before the callback. In a transaction, this is the outcome of the write
	// to the log. The Transaction hook says whether the message is committed.
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
	// OnWire is the last part of Waited: from the moment when the client wrote
	// the message to the broker, until the broker's answer. The time before is
	// the time in the buffer, with earlier attempts. OnWire is 0 if the message
	// was not delivered. OnWire is also 0 if the client does not know the time,
	// as with acks 0, or with the transport [Confluent] in a program where its
	// plugin does not work (log message client_without_plugin).
	OnWire time.Duration
}

// TransactionEvent is a step of a transaction, for [Hooks]:
//
//	Kind            TransactionKind
//	TransactionalID string
//	Begun           time.Time     // the same in all events of a transaction
//	Messages        int64         // messages added
//	Open            time.Duration // since the first message
//	Err             error         // why it is aborted or in doubt
type TransactionEvent = engine.TransactionEvent

// TransactionKind says what happened to a transaction.
type TransactionKind = engine.TransactionKind

const (
	// TransactionBegun comes before the function runs. The function may run
	// several times, each time in a new transaction.
	TransactionBegun = engine.TransactionBegun
	// TransactionCommitted says that all messages are visible.
	TransactionCommitted = engine.TransactionCommitted
	// TransactionAborted says that no message is visible.
	TransactionAborted = engine.TransactionAborted
	// TransactionInDoubt says that the answer to the commit is missing.
	TransactionInDoubt = engine.TransactionInDoubt
	// TransactionResolved says that a [Resolver] has found the outcome of a
	// commit in doubt. TransactionCommitted or TransactionAborted follows.
	TransactionResolved = engine.TransactionResolved
)

// WithFailureHandler sets a function for failures that no other code receives.
// f gets messages that were published without a callback and not delivered, and
// panics in callbacks ([*PanicError]). f runs on the delivery goroutine and
// must not block. Default: failures are logged. In both cases [Stats] and the
// result of Close count the failures. A nil f is an error.
func WithFailureHandler(f func(d Delivery, err error)) Option {
	if f == nil {
		return settings.Nil("WithFailureHandler")
	}
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

// callbacks returns the functions of this package that the engine calls.
func callbacks(c *settings.Config, h *hooks) engine.Callbacks {
	all := engine.Callbacks{Failed: lastFailureHandler(c)}
	if h.set {
		all.Accepted, all.Outcome = h.accepted, h.outcome
	}
	if h.transaction {
		all.Transaction = h.transactionStep
	}
	for _, r := range settings.Carried[Resolver](c) {
		all.Resume = r.Resume
	}
	return all
}

// hooks are all given hooks.
type hooks struct {
	all         []Hooks
	set         bool            // a hook for messages exists
	transaction bool            // a hook for transactions exists
	panicked    func(err error) // set before the first message
}

func joinHooks(all []Hooks) *hooks {
	h := &hooks{all: all}
	for _, one := range all {
		h.set = h.set || one.Start != nil || one.Refused != nil || one.Accepted != nil || one.Outcome != nil
		h.transaction = h.transaction || one.Transaction != nil
	}
	return h
}

// noToken is the token of a message whose Start panicked.
type noToken struct{}

// start returns the token of a message. With several hooks the token is the
// list of their tokens.
func (h *hooks) start(ctx context.Context, s *Start) any {
	if len(h.all) == 1 {
		return h.startOne(ctx, h.all[0].Start, s)
	}
	tokens := make([]any, len(h.all))
	for i := range h.all {
		tokens[i] = h.startOne(ctx, h.all[i].Start, s)
	}
	return tokens
}

func (h *hooks) startOne(ctx context.Context, start func(context.Context, *Start) any, s *Start) (token any) {
	if start == nil {
		return nil
	}
	token = noToken{}
	defer h.recoverHook("the hook Start")
	return start(ctx, s)
}

// recoverHook reports the panic of a hook. Call it with defer.
func (h *hooks) recoverHook(name string) {
	if v := recover(); v != nil {
		h.panicked(&PanicError{In: name, Value: v, Stack: debug.Stack()})
	}
}

// each calls f for each hook with its token.
func (h *hooks) each(name string, token any, f func(one *Hooks, token any)) {
	if len(h.all) == 1 {
		h.eachOne(name, &h.all[0], token, f)
		return
	}
	tokens, _ := token.([]any)
	for i := range h.all {
		if i < len(tokens) {
			h.eachOne(name, &h.all[i], tokens[i], f)
		}
	}
}

func (h *hooks) eachOne(name string, one *Hooks, token any, f func(one *Hooks, token any)) {
	if token == (noToken{}) {
		return
	}
	defer h.recoverHook(name)
	f(one, token)
}

func (h *hooks) refused(token any, err error) {
	h.each("the hook Refused", token, func(one *Hooks, token any) {
		if one.Refused != nil {
			one.Refused(token, err)
		}
	})
}

func (h *hooks) accepted(token any, bytes int64) {
	h.each("the hook Accepted", token, func(one *Hooks, token any) {
		if one.Accepted != nil {
			one.Accepted(token, int(bytes))
		}
	})
}

func (h *hooks) outcome(token any, d Delivery, err error, waited, onWire time.Duration) {
	out := Outcome{Delivery: d, Err: err, Waited: waited, OnWire: onWire}
	h.each("the hook Outcome", token, func(one *Hooks, token any) {
		if one.Outcome != nil {
			one.Outcome(token, out)
		}
	})
}

// transactionStep reports a step of a transaction.
func (h *hooks) transactionStep(ctx context.Context, e TransactionEvent) {
	for i := range h.all {
		h.eachOne("the hook Transaction", &h.all[i], nil, func(one *Hooks, _ any) {
			if one.Transaction != nil {
				one.Transaction(ctx, e)
			}
		})
	}
}

// hookedMessage is a message with its token, between Start and Outcome.
type hookedMessage struct {
	start Start
	begun bool
	token any
}

var hookedPool = sync.Pool{New: func() any { return new(hookedMessage) }} //nolint:gochecknoglobals // a pool

// takeHooked returns a hookedMessage from the pool. Call free after the last
// use.
func takeHooked(topic string, p *publisher) *hookedMessage {
	h := hookedPool.Get().(*hookedMessage)
	h.start.Topic, h.start.TransactionalID = topic, p.engine.Config().TransactionalID
	return h
}

func (h *hookedMessage) free() {
	*h = hookedMessage{}
	hookedPool.Put(h)
}

// begin calls Start, with the headers of the message.
func (h *hookedMessage) begin(ctx context.Context, s *outgoing) {
	h.start.Key, h.start.Headers, h.begun = s.message.Key, &s.headers, true
	h.token = s.bound.publisher.hooks.start(ctx, &h.start)
	h.start.Headers, h.start.Key = nil, nil
	s.message.HookToken = h.token
}

// refused calls Refused. refused calls Start first if the message failed before
// Start.
func (h *hookedMessage) refused(ctx context.Context, all *hooks, err error) {
	if !h.begun {
		var none []serde.Header
		h.start.Headers = &none
		h.token = all.start(ctx, &h.start)
	}
	all.refused(h.token, err)
}
