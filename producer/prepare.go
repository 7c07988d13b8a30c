package producer

import (
	"context"
	"fmt"

	"github.com/avroline/avroline/producer/internal/engine"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// Prepared is a *[Topic] of any record type.
type Prepared interface {
	// check returns what Prepare has to check.
	check(p *publisher) engine.Check
}

// Prepare finds problems at program start. Without Prepare the first message
// would fail. Prepare connects to the brokers and checks each topic:
//
//   - The topic exists. With [WithCreateTopics], Prepare creates a missing
//     topic.
//   - Enough replicas are in sync for min.insync.replicas. If a broker restarts
//     and there are too few, Prepare has no error. Health is then degraded
//     until there are enough. [WithStrictPrepare] makes this an error.
//   - A compacted topic has a key function.
//   - The principal may write to the topic. If the brokers have an authorizer,
//     the error says which permission to grant.
//   - The partitions and max.message.bytes are known.
//   - The schemas of keys and values are known to the registry, or are
//     registered now.
//
// The error joins all problems. Prepare reports wrong credentials and
// certificates at once. If no broker can be reached, Prepare returns when ctx
// ends, or after one minute if ctx has no deadline. Prepare is optional and may
// be called again. Prepare does not affect messages in flight.
func (p *Producer) Prepare(ctx context.Context, topics ...Prepared) error {
	return p.engine.Prepare(ctx, checks(p.publisher, topics))
}

// Prepare is [Producer.Prepare], and also takes over the transactional id. The
// takeover fences an older owner and needs the Write permission on the id.
func (t *Transactional) Prepare(ctx context.Context, topics ...Prepared) error {
	return t.engine.Prepare(ctx, checks(t.publisher, topics))
}

func checks(p *publisher, topics []Prepared) []engine.Check {
	all := make([]engine.Check, len(topics))
	for i, t := range topics {
		all[i] = t.check(p)
	}
	return all
}

func (t *Topic[R]) check(p *publisher) engine.Check {
	if t.err != nil {
		return engine.Check{Name: t.name, Above: func(context.Context) []error { return []error{t.err} }}
	}
	b := t.bind(p)
	return engine.Check{Name: t.name, Topic: b.topic, NoKeys: t.key.none(), Above: func(ctx context.Context) []error { return t.checkSchemas(ctx, b) }}
}

// checkSchemas asks the registry for the schemas of values and keys.
func (t *Topic[R]) checkSchemas(ctx context.Context, b *boundTopic) []error {
	var errs []error
	var value R
	for _, s := range []struct {
		part    string
		binding *serde.Binding
		record  avrobin.Record
	}{{"value", b.value, value}, {"key", b.key, t.key.sample}} {
		if s.record == nil { // several types, or a key without a schema
			continue
		}
		if err := s.binding.Prepare(ctx, s.record); err != nil {
			errs = append(errs, fmt.Errorf("schema of the %s: %w", s.part, err))
		}
	}
	return errs
}
