package producer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// Prepared is a *[Topic] of any record type.
type Prepared interface {
	// prepare finds all problems of the topic. reached waits for the brokers,
	// and returns false if no broker answers.
	prepare(ctx context.Context, c *core, reached func() bool) []error
}

// Prepare finds problems at program start. Without Prepare the first message
// would fail. Prepare connects to the brokers and checks each topic:
//
//   - The topic exists. With [WithCreateTopics], Prepare creates a missing
//     topic.
//   - Enough replicas can be in sync for min.insync.replicas.
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
	return p.core.prepare(ctx, topics)
}

// Prepare is [Producer.Prepare], and also takes over the transactional id. The
// takeover fences an older owner and needs the Write permission on the id.
func (t *Transactional) Prepare(ctx context.Context, topics ...Prepared) error {
	err := t.core.prepare(ctx, topics)
	var problem *prepareError
	if errors.As(err, &problem) && problem.unreached { // report the connection first
		return err
	}
	return errors.Join(err, t.takeOver(ctx))
}

// prepareError is one problem that Prepare found.
type prepareError struct {
	topic     string
	err       error
	unreached bool // no broker answered
}

func (e *prepareError) Error() string {
	if e.topic == "" {
		return "producer: prepare: " + trim(e.err)
	}
	return "producer: prepare topic " + e.topic + ": " + trim(e.err)
}

func (e *prepareError) Unwrap() error { return e.err }

func (c *core) prepare(ctx context.Context, topics []Prepared) error {
	if !c.hold() {
		return &prepareError{"", ErrClosed, true}
	}
	defer c.background.Done()
	reach := sync.OnceValue(func() error { return c.reach(ctx) })
	found := make([][]error, len(topics))
	var wg sync.WaitGroup
	for i, t := range topics {
		wg.Go(func() { found[i] = t.prepare(ctx, c, func() bool { return reach() == nil }) })
	}
	_ = reach()
	wg.Wait()
	var errs []error
	if err := reach(); err != nil {
		errs = append(errs, &prepareError{"", err, true})
	}
	for _, f := range found {
		errs = append(errs, f...)
	}
	if fatal := c.fatal.Load(); fatal != nil && len(errs) == 0 {
		errs = append(errs, &prepareError{"", *fatal, false})
	}
	return errors.Join(errs...)
}

// metadataClient returns a client for metadata requests. A client that stopped
// for lack of a publish permission can still fetch metadata.
func (c *core) metadataClient() (*client, error) {
	k, err := c.mainOrErr()
	if codeOf(err) == transport.ClusterAuthorizationFailed {
		return c.main(), nil
	}
	return k, err
}

// reach waits until a broker answers.
func (c *core) reach(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, firstUseWait, fmt.Errorf("no broker answered for %v, which holds where the context has no deadline", firstUseWait))
		defer cancel()
	}
	for {
		k, err := c.metadataClient()
		if err != nil {
			return err
		}
		wait := shortestCall
		if end, ok := ctx.Deadline(); ok {
			wait = max(min(wait, time.Until(end)), time.Millisecond)
		}
		short, cancel := context.WithTimeout(ctx, wait)
		err = k.transport.Reach(short)
		cancel()
		if err == nil {
			return nil
		}
		c.trouble.look()
		if refusal := c.trouble.refusal(); refusal != nil {
			return refusal
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-c.alive.Done():
			pause.Stop()
			return ErrClosed
		case <-ctx.Done():
			pause.Stop()
			return c.trouble.explain(ended(ctx))
		}
	}
}

func (t *Topic[R]) prepare(ctx context.Context, c *core, reached func() bool) []error {
	bad := func(err error) error { return &prepareError{t.name, err, false} }
	if t.err != nil {
		return []error{bad(t.err)}
	}
	var errs []error
	b := t.bind(c)
	var value R
	for _, s := range []struct {
		what    string
		binding *serde.Binding
		record  avrobin.Record
	}{{"value", b.value, value}, {"key", b.key, t.key.sample}} {
		if s.record == nil { // several types, or a key without a schema
			continue
		}
		if err := s.binding.Prepare(ctx, s.record); err != nil {
			errs = append(errs, bad(fmt.Errorf("schema of the %s: %w", s.what, err)))
		}
	}
	if !reached() {
		return errs
	}
	for _, err := range c.prepareTopic(ctx, b.state) {
		errs = append(errs, bad(err))
	}
	return errs
}

// prepareTopic checks a topic on the brokers.
func (c *core) prepareTopic(ctx context.Context, s *topicState) []error {
	k, err := c.metadataClient()
	if err != nil {
		return []error{err}
	}
	admin := k.transport.Admin()
	if c.config.CreateTopics.Allowed {
		if err := c.createTopic(ctx, k, s.name, c.config.CreateTopics); err != nil {
			return append([]error{err}, c.checkPermission(ctx, admin, s.name)...)
		}
	}
	route, err := s.find(ctx)
	var small *batchTooLargeError
	switch {
	case errors.As(err, &small): // the next client has a smaller batch size
	case err != nil:
		if denied := c.checkPermission(ctx, admin, s.name); denied != nil { // the client may have ended for this reason
			return denied
		}
		return []error{err}
	case route.rules.maxMessageBytes > 0 && route.rules.maxMessageBytes < 100: // smaller than an empty batch
		return []error{fmt.Errorf("max.message.bytes is %d: no message fits", route.rules.maxMessageBytes)}
	}
	return append(c.checkReplicas(ctx, k, s.name), c.checkPermission(ctx, admin, s.name)...)
}

// createTopic creates a topic if it is missing.
func (c *core) createTopic(ctx context.Context, k *client, name string, make settings.CreateTopics) error {
	err := k.transport.Admin().CreateTopic(ctx, name, make.Partitions, make.Replication, make.Settings)
	switch code := codeOf(err); {
	case err == nil:
		c.config.Logger.Info("topic_created", "topic", name, "partitions", make.Partitions, "replication", make.Replication)
		return nil
	case code == transport.TopicAlreadyExists:
		return nil
	case code == transport.TopicAuthorizationFailed || code == transport.ClusterAuthorizationFailed:
		if _, err := k.partitions(ctx, name, longestCall); err == nil { // the topic exists
			return nil
		}
		return fmt.Errorf("create it (WithCreateTopics): %w", grantHint(c.config, err, "Create", "topic", name))
	default:
		return fmt.Errorf("create it (WithCreateTopics(%d, %d)): %w", make.Partitions, make.Replication, err)
	}
}

// checkReplicas finds partitions that refuse acks=all at the moment, because
// too few replicas are in sync.
func (c *core) checkReplicas(ctx context.Context, k *client, name string) []error {
	if c.config.Acks != AcksAll {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	settings, err := k.transport.Admin().TopicConfig(ctx, name)
	if err != nil {
		return nil // no permission to read the settings
	}
	least, err := strconv.Atoi(settings["min.insync.replicas"])
	if err != nil {
		return nil
	}
	metadata, err := k.transport.Metadata(ctx, name)
	if err != nil {
		return nil // not a problem of the topic
	}
	var errs []error
	for n, p := range metadata.Partitions {
		// Brokers from 4.1 on use the replication factor as the minimum if the
		// replication factor is smaller.
		if least := min(least, len(p.Replicas)); len(p.InSync) < least {
			errs = append(errs, fmt.Errorf("%w: partition %d has %d of %d replicas in sync, and min.insync.replicas is %d: messages wait until there are more",
				ErrNotReady, n, len(p.InSync), len(p.Replicas), least))
		}
	}
	return errs
}

// checkPermission asks the brokers whether we may write. Brokers without an
// authorizer allow everything, and old brokers do not answer the question.
func (c *core) checkPermission(ctx context.Context, admin transport.Admin, name string) []error {
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	may, err := admin.MayWrite(ctx, name)
	if may || err != nil && codeOf(err) != transport.TopicAuthorizationFailed {
		return nil
	}
	denied := &transport.Error{Code: transport.TopicAuthorizationFailed, Text: "Topic authorization failed"}
	return []error{grantHint(c.config, denied, "Write", "topic", name)}
}

// denied adds the missing grants to the "not authorized" error of a
// transaction, because the coordinator does not name the topic.
func (c *core) denied(ctx context.Context, k *client, err error) error {
	if codeOf(err) != transport.TopicAuthorizationFailed {
		return err
	}
	var grants []error
	for _, name := range slices.Sorted(maps.Keys(*k.topics.Load())) {
		grants = append(grants, c.checkPermission(ctx, k.transport.Admin(), name)...)
	}
	if grants == nil {
		return err
	}
	return fmt.Errorf("%w: %w", errors.Join(grants...), err)
}
