package producer

import (
	"context"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// Hooks see every message: Headers and Accept on the publishing goroutine, Outcome on the delivery goroutine.
// Nil ones cost nothing. They must not block.
type Hooks struct {
	// Headers may append headers to a message, for example traceparent from ctx.
	Headers func(ctx context.Context, topic string, h []serde.Header) []serde.Header
	// Accept is called when a message is in the buffer.
	Accept func(ctx context.Context, topic string, bytes int)
	// Outcome is called when it has its outcome; err is nil for a delivered one.
	Outcome func(topic string, partition int32, waited time.Duration, err error)
}

// WithFailureHandler is told of what nobody else hears: messages published without a callback that were not delivered, and
// panics in callbacks ([*PanicError]). It runs on the delivery goroutine and must not block. Default: they are logged, and
// always counted in [Stats] and in what Close returns.
func WithFailureHandler(f func(d Delivery, err error)) Option {
	return settings.Carry("WithFailureHandler", failureHandler(f))
}

type failureHandler func(d Delivery, err error)

// lastFailureHandler is the handler of the last option; nil if there is none.
func lastFailureHandler(c *settings.Config) failureHandler {
	all := settings.Carried[failureHandler](c)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// hooks are all hooks given, with what is absent known before the first message.
type hooks struct {
	all                      []Hooks
	headers, accept, outcome bool
}

func joinHooks(all []Hooks) hooks {
	h := hooks{all: all}
	for _, one := range all {
		h.headers = h.headers || one.Headers != nil
		h.accept = h.accept || one.Accept != nil
		h.outcome = h.outcome || one.Outcome != nil
	}
	return h
}

func (h *hooks) callHeaders(ctx context.Context, topic string, list []serde.Header) []serde.Header {
	for _, one := range h.all {
		if one.Headers != nil {
			list = one.Headers(ctx, topic, list)
		}
	}
	return list
}

func (h *hooks) callAccept(ctx context.Context, topic string, bytes int64) {
	for _, one := range h.all {
		if one.Accept != nil {
			one.Accept(ctx, topic, int(bytes))
		}
	}
}

func (h *hooks) callOutcome(o *outcome) {
	waited := time.Since(epoch) - time.Duration(o.since)
	for _, one := range h.all {
		if one.Outcome != nil {
			one.Outcome(o.delivery.Topic, o.delivery.Partition, waited, o.err)
		}
	}
}
