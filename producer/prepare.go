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
	// prepare finds everything that is wrong with the topic. reached waits for the brokers, and is false if they do not
	// answer.
	prepare(ctx context.Context, c *core, reached func() bool) []error
}

// Prepare finds at the start what would else fail with the first message: it connects to the brokers, and for each topic it
// looks whether it is there (with [WithCreateTopics] it makes what is missing), whether enough replicas can be in sync for
// min.insync.replicas, whether we may write to it (where the brokers have an authorizer the error says what to grant), takes
// its partitions and max.message.bytes, and resolves the schemas of keys and values: known, or registered now. All problems
// are in the error, joined.
//
// Wrong credentials and certificates are told at once, brokers out of reach when ctx ends, or after a minute where it has
// no deadline. It is optional, may be called again, and changes nothing for messages already under way.
func (p *Producer) Prepare(ctx context.Context, topics ...Prepared) error {
	return p.core.prepare(ctx, topics)
}

// Prepare is [Producer.Prepare]. It also takes the transactional id over, which fences an older owner, and for which Write on
// that id is needed.
func (t *Transactional) Prepare(ctx context.Context, topics ...Prepared) error {
	err := t.core.prepare(ctx, topics)
	var problem *prepareError
	if errors.As(err, &problem) && problem.unreached { // it comes first
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

// metadataClient gives a client to ask the brokers with. A client that stopped
// because it may not publish can still ask.
func (c *core) metadataClient() (*client, error) {
	k, err := c.mainOrErr()
	if codeOf(err) == transport.ClusterAuthorizationFailed {
		return c.main(), nil
	}
	return k, err
}

// reach waits for an answer of the brokers.
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
		if s.record == nil { // a topic of several types, or a key that is no record
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

// prepareTopic looks at a topic in Kafka.
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
	case errors.As(err, &small): // the next client is made for it
	case err != nil:
		if denied := c.checkPermission(ctx, admin, s.name); denied != nil { // it may be why the client ended
			return denied
		}
		return []error{err}
	case route.rules.maxMessageBytes > 0 && route.rules.maxMessageBytes < 100: // not even an empty batch
		return []error{fmt.Errorf("max.message.bytes is %d: no message fits", route.rules.maxMessageBytes)}
	}
	return append(c.checkReplicas(ctx, k, s.name), c.checkPermission(ctx, admin, s.name)...)
}

// createTopic makes a topic that is missing.
func (c *core) createTopic(ctx context.Context, k *client, name string, make settings.CreateTopics) error {
	err := k.transport.Admin().CreateTopic(ctx, name, make.Partitions, make.Replication, make.Settings)
	switch code := codeOf(err); {
	case err == nil:
		c.config.Logger.Info("topic_created", "topic", name, "partitions", make.Partitions, "replication", make.Replication)
		return nil
	case code == transport.TopicAlreadyExists:
		return nil
	case code == transport.TopicAuthorizationFailed || code == transport.ClusterAuthorizationFailed:
		if _, err := k.partitions(ctx, name, longestCall); err == nil { // it is there: nothing to make
			return nil
		}
		return fmt.Errorf("create it (WithCreateTopics): %w", grantHint(c.config, err, "Create", "topic", name))
	default:
		return fmt.Errorf("create it (WithCreateTopics(%d, %d)): %w", make.Partitions, make.Replication, err)
	}
}

// checkReplicas finds a topic that cannot be written with acks=all at the moment.
func (c *core) checkReplicas(ctx context.Context, k *client, name string) []error {
	if c.config.Acks != AcksAll {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	settings, err := k.transport.Admin().TopicConfig(ctx, name)
	if err != nil {
		return nil // not allowed to know
	}
	least, err := strconv.Atoi(settings["min.insync.replicas"])
	if err != nil {
		return nil
	}
	metadata, err := k.transport.Metadata(ctx, name)
	if err != nil {
		return nil // what the brokers do not say is no fault of the topic
	}
	var errs []error
	for n, p := range metadata.Partitions {
		// Brokers from 4.1 on count a smaller replication factor as the minimum.
		if least := min(least, len(p.Replicas)); len(p.InSync) < least {
			errs = append(errs, fmt.Errorf("%w: partition %d has %d of %d replicas in sync, and min.insync.replicas is %d: messages wait until there are more",
				ErrNotReady, n, len(p.InSync), len(p.Replicas), least))
		}
	}
	return errs
}

// checkPermission asks what we may do. Brokers without an authorizer allow
// everything, and old ones do not say.
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

// denied adds to the "not authorized" of a transaction what to grant: the
// coordinator does not say for which topic.
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
