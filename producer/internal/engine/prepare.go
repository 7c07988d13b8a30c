package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// Check is a topic that [Engine.Prepare] checks.
type Check struct {
	Name string
	// Above finds the problems that the layer above knows. Above runs beside
	// the engine's checks.
	Above func(ctx context.Context) []error
	// Topic is asked from the brokers. nil: the brokers are not asked.
	Topic *Topic
	// NoKeys says that the topic's key function gives no message a key.
	NoKeys bool
}

// prepareError is one problem that Prepare found.
type prepareError struct {
	topic     string
	err       error
	unreached bool // no broker answered
}

func (e *prepareError) Error() string {
	if e.topic == "" {
		return "producer: prepare: " + trimPrefix(e.err)
	}
	return "producer: prepare topic " + e.topic + ": " + trimPrefix(e.err)
}

func (e *prepareError) Unwrap() error { return e.err }

// Prepare finds the problems of topics before the first message. The error
// joins all problems.
func (e *Engine) Prepare(ctx context.Context, checks []Check) error {
	if !e.hold() {
		return &prepareError{"", ErrClosed, true}
	}
	defer e.background.Done()
	reach := sync.OnceValue(func() error { return e.reach(ctx) })
	found := make([][]error, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			found[i] = c.Above(ctx)
			if c.Topic != nil && reach() == nil {
				found[i] = append(found[i], e.prepareTopic(ctx, c.Topic, c.NoKeys)...)
			}
		})
	}
	_ = reach()
	wg.Wait()
	var errs []error
	if err := reach(); err != nil {
		errs = append(errs, &prepareError{"", err, true})
	}
	for i, c := range checks {
		for _, err := range found[i] {
			errs = append(errs, &prepareError{c.Name, err, false})
		}
	}
	asked := slices.ContainsFunc(checks, func(c Check) bool { return c.Topic != nil })
	switch fatal, denied := e.fatal.Load(), e.deniedError(); {
	case len(errs) > 0:
	case fatal != nil:
		errs = append(errs, &prepareError{"", *fatal, false})
	case denied == nil:
	case asked: // the permission for the topics is enough
		e.denial.Store(nil)
	default:
		errs = append(errs, &prepareError{"", denied, false})
	}
	return errors.Join(errs...)
}

// Prepare is [Engine.Prepare], and also takes over the transactional id.
func (t *Transactional) Prepare(ctx context.Context, checks []Check) error {
	err := t.engine.Prepare(ctx, checks)
	var problem *prepareError
	if errors.As(err, &problem) && problem.unreached { // report the connection first
		return err
	}
	return errors.Join(err, t.takeOver(ctx))
}

// metadataClient returns a client for metadata requests. A client that stopped
// for lack of a publish permission can still fetch metadata.
func (e *Engine) metadataClient() (*client, error) {
	k, err := e.mainOrErr()
	if codeOf(err) == transport.ClusterAuthorizationFailed {
		return e.main(), nil
	}
	return k, err
}

// reach waits until a broker answers.
func (e *Engine) reach(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, firstUseWait, fmt.Errorf("no broker answered for %v, which holds where the context has no deadline", firstUseWait))
		defer cancel()
	}
	for {
		k, err := e.metadataClient()
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
		e.trouble.probe()
		if refusal := e.trouble.refusal(); refusal != nil {
			return refusal
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-e.alive.Done():
			pause.Stop()
			return ErrClosed
		case <-ctx.Done():
			pause.Stop()
			return e.trouble.explain(ContextError(ctx))
		}
	}
}

// prepareTopic checks a topic on the brokers.
func (e *Engine) prepareTopic(ctx context.Context, s *Topic, noKeys bool) []error {
	k, err := e.metadataClient()
	if err != nil {
		return []error{err}
	}
	if e.config.CreateTopics.Allowed {
		if err := e.createTopic(ctx, k, s.name, e.config.CreateTopics); err != nil {
			return append([]error{err}, e.checkPermission(ctx, k, s.name)...)
		}
	}
	route, err := s.find(ctx)
	var small *batchTooLargeError
	switch {
	case errors.As(err, &small): // the next client has a smaller batch size
	case err != nil:
		if denied := e.checkPermission(ctx, k, s.name); denied != nil { // the client may have ended for this reason
			return denied
		}
		return []error{err}
	case route.rules.maxMessageBytes > 0 && route.rules.maxMessageBytes < 100: // smaller than an empty batch
		return []error{fmt.Errorf("max.message.bytes is %d: no message fits", route.rules.maxMessageBytes)}
	case route.rules.keyed && noKeys:
		return []error{errors.New("the topic is compacted (cleanup.policy), and NoKey gives its messages no key: the brokers refuse them. Give NewTopic a key function")}
	}
	problems := e.checkPermission(ctx, k, s.name)
	if lacking := e.checkReplicas(ctx, k, s.name); lacking != nil && e.config.StrictPrepare {
		problems = append(problems, lacking)
	}
	return problems
}

// ask calls f with a client. If the client is replaced meanwhile, for example
// because it may not publish, ask calls f with the next client.
func (e *Engine) ask(ctx context.Context, k *client, f func(k *client) error) error {
	for {
		err := f(k)
		if codeOf(err) != transport.Closed || ctx.Err() != nil || !e.pause(retryPause) {
			return err
		}
		k = e.main()
	}
}

// createTopic creates a topic if it is missing.
func (e *Engine) createTopic(ctx context.Context, k *client, name string, make settings.CreateTopics) error {
	err := e.ask(ctx, k, func(k *client) error {
		return k.transport.Admin().CreateTopic(ctx, name, make.Partitions, make.Replication, make.Settings)
	})
	switch code := codeOf(err); {
	case err == nil:
		e.config.Logger.Info("topic_created", "topic", name, "partitions", make.Partitions, "replication", make.Replication)
		return nil
	case code == transport.TopicAlreadyExists:
		return nil
	case code == transport.TopicAuthorizationFailed || code == transport.ClusterAuthorizationFailed:
		exists := e.ask(ctx, k, func(k *client) error {
			_, err := k.partitions(ctx, name, longestCall)
			return err
		})
		if exists == nil {
			return nil
		}
		return fmt.Errorf("create it (WithCreateTopics): %w", diagnose.GrantHint(e.config, err, "Create", "topic", name))
	default:
		return fmt.Errorf("create it (WithCreateTopics(%d, %d)): %w", make.Partitions, make.Replication, err)
	}
}

// checkReplicas looks for partitions that refuse acks=all at the moment,
// because too few replicas are in sync. Such a partition takes messages again
// when a broker has caught up, so the topic makes the health degraded. Prepare
// has an error only under WithStrictPrepare.
func (e *Engine) checkReplicas(ctx context.Context, k *client, name string) error {
	if e.config.Acks != settings.AcksAll {
		return nil
	}
	lacking, known := e.missingReplicas(ctx, k, name)
	if !known {
		return nil
	}
	if lacking != nil {
		e.config.Logger.Warn("replicas_missing", "topic", name, "err", lacking)
	}
	e.progress.noteReplicas(name, lacking)
	return lacking
}

// missingReplicas returns an error if partitions of a topic have too few
// replicas in sync. known is false if the brokers do not say.
func (e *Engine) missingReplicas(ctx context.Context, k *client, name string) (lacking error, known bool) {
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	config, err := k.transport.Admin().TopicConfig(ctx, name)
	if err != nil {
		return nil, false // for example, no permission to read the settings
	}
	least, err := strconv.Atoi(config["min.insync.replicas"])
	if err != nil {
		return nil, false
	}
	metadata, err := k.transport.Metadata(ctx, name)
	if err != nil {
		return nil, false // not a problem of the replicas
	}
	var errs []error
	for n, p := range metadata.Partitions {
		// Brokers from 4.1 on use the replication factor as the minimum if the
		// replication factor is smaller.
		if least := min(least, len(p.Replicas)); len(p.InSync) < least {
			errs = append(errs, fmt.Errorf("%w: topic %s: partition %d has %d of %d replicas in sync, and min.insync.replicas is %d: messages wait until there are more",
				ErrNotReady, name, n, len(p.InSync), len(p.Replicas), least))
		}
	}
	return errors.Join(errs...), true
}

// checkPermission asks the brokers whether we may write. Brokers without an
// authorizer allow everything, and old brokers do not answer the question.
func (e *Engine) checkPermission(ctx context.Context, k *client, name string) []error {
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	var may bool
	err := e.ask(ctx, k, func(k *client) (err error) {
		may, err = k.transport.Admin().MayWrite(ctx, name)
		return err
	})
	if may || err != nil && codeOf(err) != transport.TopicAuthorizationFailed {
		return nil
	}
	denied := &transport.Error{Code: transport.TopicAuthorizationFailed, Text: "Topic authorization failed"}
	return []error{diagnose.GrantHint(e.config, denied, "Write", "topic", name)}
}

// denied adds the missing grants to the "not authorized" error of a
// transaction, because the coordinator does not name the topic. denied also
// explains the refusal of an internal topic.
func (e *Engine) denied(ctx context.Context, k *client, err error) error {
	if codeOf(err) == transport.InvalidTopic {
		return diagnose.ExplainDenied(e.config, err, "", "")
	}
	if codeOf(err) != transport.TopicAuthorizationFailed {
		return err
	}
	var names []string
	for name := range k.topics.Range {
		names = append(names, name.(string))
	}
	slices.Sort(names)
	var grants []error
	for _, name := range names {
		grants = append(grants, e.checkPermission(ctx, k, name)...)
	}
	if grants == nil {
		return err
	}
	return withCause(errors.Join(grants...), err)
}
