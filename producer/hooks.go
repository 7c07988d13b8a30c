package producer

import (
	"context"
	"time"

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
