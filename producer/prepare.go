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

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
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

// asking gives a client to ask the brokers with: one that ended because it may publish nothing can do that still.
func (c *core) asking() (*client, error) {
	k, err := c.mainOrErr()
	if code(err) == kafka.ErrClusterAuthorizationFailed {
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
		k, err := c.asking()
		if err != nil {
			return err
		}
		wait := shortestCall
		if end, ok := ctx.Deadline(); ok {
			wait = max(min(wait, time.Until(end)), time.Millisecond)
		}
		if k.hold() {
			_, err = k.kafka.GetMetadata(nil, false, millis(wait))
			k.release()
			if err == nil {
				return nil
			}
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
	k, err := c.asking()
	if err != nil {
		return []error{err}
	}
	admin, err := k.admin()
	if err != nil {
		return []error{err}
	}
	defer k.release()
	if c.config.CreateTopics.Allowed {
		if err := c.createTopic(ctx, admin, s.name, c.config.CreateTopics); err != nil {
			return append([]error{err}, c.checkPermission(ctx, admin, s.name)...)
		}
	}
	way, err := s.find(ctx)
	var small *batchTooLargeError
	switch {
	case errors.As(err, &small): // the next client is made for it
	case err != nil:
		if denied := c.checkPermission(ctx, admin, s.name); denied != nil { // it may be why the client ended
			return denied
		}
		return []error{err}
	case way.limit > 0 && way.limit < 100: // not even an empty batch
		return []error{fmt.Errorf("max.message.bytes is %d: no message fits", way.limit)}
	}
	return append(c.checkReplicas(ctx, admin, s.name), c.checkPermission(ctx, admin, s.name)...)
}

// createTopic makes a topic that is missing.
func (c *core) createTopic(ctx context.Context, admin *kafka.AdminClient, name string, make settings.CreateTopics) error {
	results, err := admin.CreateTopics(ctx, []kafka.TopicSpecification{{
		Topic: name, NumPartitions: make.Partitions, ReplicationFactor: make.Replication, Config: make.Settings,
	}})
	if err != nil {
		return fmt.Errorf("create it (WithCreateTopics): %w", err)
	}
	switch err := results[0].Error; err.Code() {
	case kafka.ErrNoError:
		c.config.Logger.Info("topic_created", "topic", name, "partitions", make.Partitions, "replication", make.Replication)
		return nil
	case kafka.ErrTopicAlreadyExists:
		return nil
	case kafka.ErrTopicAuthorizationFailed, kafka.ErrClusterAuthorizationFailed:
		metadata, known := admin.GetMetadata(&name, false, millis(longestCall))
		if known == nil && metadata.Topics[name].Error.Code() == kafka.ErrNoError { // it is there: nothing to make
			return nil
		}
		return fmt.Errorf("create it (WithCreateTopics): %w", grantHint(c.config, err, "Create", "topic", name))
	default:
		return fmt.Errorf("create it (WithCreateTopics(%d, %d)): %w", make.Partitions, make.Replication, err)
	}
}

// checkReplicas finds a topic that could never be written with acks=all.
func (c *core) checkReplicas(ctx context.Context, admin *kafka.AdminClient, name string) []error {
	if c.config.Acks != AcksAll {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	settings, err := admin.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: name}})
	if err != nil || len(settings) != 1 || settings[0].Error.Code() != kafka.ErrNoError {
		return nil // not allowed to know
	}
	least, err := strconv.Atoi(settings[0].Config["min.insync.replicas"].Value)
	if err != nil {
		return nil
	}
	metadata, err := admin.GetMetadata(&name, false, millis(longestCall))
	if err != nil {
		return nil // what the brokers do not say is no fault of the topic
	}
	var errs []error
	for _, p := range metadata.Topics[name].Partitions {
		switch {
		case len(p.Replicas) < least:
			return []error{fmt.Errorf("min.insync.replicas is %d, and it has %d replicas: with acks=all no message can ever be written", least, len(p.Replicas))}
		case len(p.Isrs) < least:
			errs = append(errs, fmt.Errorf("partition %d has %d of %d replicas in sync, and min.insync.replicas is %d: messages wait until there are more",
				p.ID, len(p.Isrs), len(p.Replicas), least))
		}
	}
	return errs
}

// checkPermission asks what we may do. Brokers without an authorizer allow everything, and old ones do not say.
func (c *core) checkPermission(ctx context.Context, admin *kafka.AdminClient, name string) []error {
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	result, err := admin.DescribeTopics(ctx, kafka.NewTopicCollectionOfTopicNames([]string{name}), kafka.SetAdminOptionIncludeAuthorizedOperations(true))
	if err != nil || len(result.TopicDescriptions) != 1 {
		return nil
	}
	topic := result.TopicDescriptions[0]
	may := func(op kafka.ACLOperation) bool { return slices.Contains(topic.AuthorizedOperations, op) }
	denied := kafka.NewError(kafka.ErrTopicAuthorizationFailed, "Topic authorization failed", false)
	switch {
	case topic.Error.Code() == denied.Code(): // not even to be described
	case len(topic.AuthorizedOperations) == 0, may(kafka.ACLOperationWrite), may(kafka.ACLOperationAll):
		return nil
	}
	return []error{grantHint(c.config, denied, "Write", "topic", name)}
}

// denied adds to the "not authorized" of a transaction what to grant: the coordinator does not say for which topic.
func (c *core) denied(ctx context.Context, k *client, err error) error {
	if code(err) != kafka.ErrTopicAuthorizationFailed {
		return err
	}
	admin, failed := k.admin()
	if failed != nil {
		return err
	}
	defer k.release()
	var grants []error
	for _, name := range slices.Sorted(maps.Keys(*k.topics.Load())) {
		grants = append(grants, c.checkPermission(ctx, admin, name)...)
	}
	if grants == nil {
		return err
	}
	return fmt.Errorf("%w: %w", errors.Join(grants...), err)
}
