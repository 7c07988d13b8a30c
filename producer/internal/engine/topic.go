package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/transport"
)

// Topic is the knowledge of an engine about a topic.
type Topic struct {
	engine *Engine
	name   string
	route  atomic.Pointer[route] // nil: look the topic up

	missing atomic.Pointer[missingTopic] // why the topic cannot be used now
	checked atomic.Int64                 // Engine.now of the last check by checkTopics
	slot    int                          // of the client, see slotLocked. Under Engine.mu
	counted int32                        // partitions in Engine.loads. Under Engine.mu

	mu     sync.Mutex
	lookup *topicLookup // in flight
}

// Name is the topic's name in Kafka.
func (t *Topic) Name() string { return t.name }

// missingTopic is a remembered error about a topic. Calls in the next moments
// return the error without another look-up.
type missingTopic struct {
	err   error
	until time.Time
}

// missingFor is how long the error is remembered.
const missingFor = 2 * time.Second

// setMissing makes the topic unusable for a short time.
func (t *Topic) setMissing(err error) {
	t.missing.Store(&missingTopic{err, time.Now().Add(missingFor)})
	t.route.Store(nil)
}

// missingError returns the last known error about the topic, or nil. A look-up
// that finds the topic clears the error.
func (t *Topic) missingError() error {
	if m := t.missing.Load(); m != nil {
		return m.err
	}
	return nil
}

// whyUnusable returns why the topic cannot be used now, or nil.
func (t *Topic) whyUnusable() error {
	if m := t.missing.Load(); m != nil && time.Now().Before(m.until) {
		return m.err
	}
	return nil
}

// route leads to the queues of a topic's partitions. A route is immutable.
type route struct {
	client *client
	queues []*queue
	rules  topicRules
}

type topicLookup struct {
	done chan struct{}
	err  error // set before done is closed
}

const (
	// firstUseWait bounds the first look-up of a topic if the caller's context
	// has no end. Java has max.block.ms.
	firstUseWait = time.Minute
	retryPause   = 50 * time.Millisecond
	// A look-up call cannot be interrupted, and Close waits for a running call.
	// So the first calls are short.
	shortestCall = 500 * time.Millisecond
	longestCall  = 3 * time.Second
)

// Topic returns the topic with a name.
func (e *Engine) Topic(name string) *Topic {
	if t, ok := e.topics.Load(name); ok {
		return t.(*Topic)
	}
	t, _ := e.topics.LoadOrStore(name, &Topic{engine: e, name: name})
	return t.(*Topic)
}

// find returns the route and looks up the topic on first use. Callers share one
// look-up. Each caller waits within its own ctx.
func (t *Topic) find(ctx context.Context) (*route, error) {
	if r := t.route.Load(); r != nil {
		return r, nil
	}
	if err := t.whyUnusable(); err != nil {
		return nil, err
	}
	if ctx.Done() == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, firstUseWait,
			fmt.Errorf("looking the topic up took longer than %v, which holds where the context has no deadline", firstUseWait))
		defer cancel()
	}
	for {
		t.mu.Lock()
		if r := t.route.Load(); r != nil {
			t.mu.Unlock()
			return r, nil
		}
		l := t.lookup
		if l == nil {
			l = &topicLookup{done: make(chan struct{})}
			if !t.engine.spawn(func() { t.run(l) }) {
				t.mu.Unlock()
				return nil, ErrClosed
			}
			t.lookup = l
		}
		t.mu.Unlock()
		select {
		case <-l.done:
			if l.err != nil {
				return nil, l.err
			}
		case <-ctx.Done():
			return nil, t.engine.trouble.explain(ContextError(ctx))
		}
	}
}

func (t *Topic) run(l *topicLookup) {
	var r *route
	r, l.err = t.lookUp(t.engine.alive)
	t.mu.Lock()
	t.lookup = nil
	switch {
	case l.err == nil:
		t.missing.Store(nil)
		t.route.Store(r)
	case errors.Is(l.err, ErrUnknownTopic):
		t.setMissing(l.err)
	}
	t.mu.Unlock()
	close(l.done)
}

// lookUp asks the brokers until a broker knows the topic, or until the answer
// is certain that the topic does not exist.
func (t *Topic) lookUp(ctx context.Context) (*route, error) {
	e, name := t.engine, t.name
	var unknown transport.UnknownTopic
	for wait := shortestCall; ; wait = min(2*wait, longestCall) {
		k, err := e.mainOrErr()
		if err != nil {
			return nil, err
		}
		n, err := k.partitions(ctx, name, wait)
		switch code := codeOf(err); {
		case err == nil:
			return t.routeTo(ctx, n)
		case ctx.Err() != nil:
			return nil, ErrClosed
		case code == transport.Closed: // retry with the next client
		case code == 0 && !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		case code == transport.UnknownTopicOrPartition:
			if unknown.IsMissing() {
				return nil, e.unknownTopic(name)
			}
		case code == transport.TopicAuthorizationFailed || code == transport.Invalid || code == transport.InvalidTopic:
			return nil, fmt.Errorf("look up topic %s: %w", name, err)
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return nil, ErrClosed
		}
	}
}

func (e *Engine) unknownTopic(name string) error { return e.unknownPartition(name, 0) }

// unknownPartition is the error of a message whose topic or partition does not
// exist. A topic that was created again may have fewer partitions.
func (e *Engine) unknownPartition(name string, partition int32) error {
	smaller := ""
	if partition > 0 {
		smaller = fmt.Sprintf(", or the topic has no partition %d any more", partition)
	}
	compacted := ""
	if name == e.config.CompactedTopic {
		compacted = " --config cleanup.policy=compact"
	}
	return fmt.Errorf("%w: brokers %s have no topic %q%s: create it (kafka-topics.sh --create --topic %s --partitions 6%s), "+
		"or give producer.WithCreateTopics and call Prepare", ErrUnknownTopic, strings.Join(e.config.Brokers, ","), name, smaller, name, compacted)
}

const (
	// checkAfter is the time without movement after which the brokers are asked
	// whether the topic still exists. librdkafka itself waits 30 s before it
	// reports a topic that was deleted (topic.metadata.propagation.max.ms).
	checkAfter = 2 * time.Second
	// checksAtOnce bounds the topics of one round.
	checksAtOnce = 5
)

// checkTopics asks for the topics of partitions that do not move. While a topic
// does not exist, its messages are refused with [ErrUnknownTopic].
func (e *Engine) checkTopics(now time.Time) {
	if e.trouble.cause() != nil { // no broker answers
		return
	}
	asked := 0
	for _, q := range e.progress.notMoving(now, checkAfter) {
		t := e.Topic(q.topic.name)
		last := t.checked.Load()
		if asked == checksAtOnce || last != 0 && e.now()-last < int64(checkAfter) {
			continue
		}
		k, err := e.mainOrErr()
		if err != nil {
			return
		}
		t.checked.Store(e.now())
		asked++
		switch _, err := k.partitions(e.alive, t.name, watchEvery); {
		case err == nil:
			t.missing.Store(nil)
		case codeOf(err) == transport.UnknownTopicOrPartition:
			t.setMissing(e.unknownTopic(t.name))
		}
	}
}

func (e *Engine) mainOrErr() (*client, error) {
	if e.alive.Err() != nil {
		return nil, ErrClosed
	}
	if fatal := e.fatal.Load(); fatal != nil {
		return nil, *fatal
	}
	return e.main(), nil
}

// partitions asks the brokers for the number of partitions of a topic.
func (k *client) partitions(ctx context.Context, topic string, wait time.Duration) (int32, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m, err := k.transport.Metadata(ctx, topic)
	if err != nil {
		return 0, err
	}
	if len(m.Partitions) == 0 {
		return 0, &transport.Error{Code: leaderNotAvailable, Retriable: true, Text: "the topic has no partitions yet"}
	}
	return int32(len(m.Partitions)), nil
}

const leaderNotAvailable transport.Code = 5

// rules asks the brokers for the topic's settings. rules returns no settings if
// the broker does not answer. This is common without the permission to describe
// configurations.
func (k *client) rules(ctx context.Context, topic string) topicRules {
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	settings, err := k.transport.Admin().TopicConfig(ctx, topic)
	if err != nil {
		k.engine.config.Logger.Info("topic_settings_unknown", "topic", topic, "err", err)
		return topicRules{}
	}
	return newTopicRules(settings)
}

// batchTooLargeError says that a topic's limit is below the batch.size of a
// transactional client. A transaction needs a single client, so the next client
// has the smaller batch size.
type batchTooLargeError struct {
	topic string
	limit int64
}

func (e *batchTooLargeError) Error() string {
	return fmt.Sprintf("producer: topic %s allows batches of %d bytes (max.message.bytes), fewer than this client's", e.topic, e.limit)
}

// routeTo chooses the client for a topic. The broker limits the size of a
// batch, and librdkafka does not split a batch. So a topic with a limit below
// the usual batch.size has a separate client with a smaller batch.size.
// librdkafka counts the header of a batch as part of the batch.
func (t *Topic) routeTo(ctx context.Context, n int32) (*route, error) {
	e := t.engine
	k := e.main()
	rules := k.rules(ctx, t.name)
	if rules.expires && t.name == e.config.CompactedTopic {
		return nil, fmt.Errorf("the brokers delete old messages of the topic (cleanup.policy), and the topic has positions that must stay: set "+
			"cleanup.policy=compact without delete (kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config cleanup.policy=compact)", t.name)
	}
	limit := rules.maxMessageBytes
	if k.tx == nil {
		var err error
		if k, err = e.clientFor(t, limit, n); err != nil {
			return nil, err
		}
	} else if limit > 0 && limit < int64(k.batch) {
		e.mu.Lock()
		e.batch = min(e.batch, int(limit))
		e.mu.Unlock()
		return nil, &batchTooLargeError{t.name, limit}
	}
	return &route{client: k, queues: k.topicQueues(t.name, n), rules: rules}, nil
}

// clientFor returns the client for a topic with a limit of max.message.bytes
// and a number of partitions. A limit of 0 is no limit. A topic with messages
// on their way keeps its client, because a newer message in another client
// could overtake them. If the limit has become too small for that client,
// [Engine.lowerBatch] follows the limit.
func (e *Engine) clientFor(t *Topic, limit int64, partitions int32) (*client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	batch := e.clients[0].batch
	if limit > 0 && limit < int64(batch) {
		batch = int(limit)
	}
	k := e.clients[t.slot]
	if !k.idle(t.name) || t.counted > 0 && k.batch == batch {
		e.countLocked(t, t.slot, partitions)
		return k, nil
	}
	slot, err := e.slotLocked(batch)
	if err != nil {
		return nil, err
	}
	e.countLocked(t, slot, partitions)
	return e.clients[slot], nil
}

// countLocked counts a topic's partitions for the client at slot. The caller
// holds e.mu.
func (e *Engine) countLocked(t *Topic, slot int, partitions int32) {
	e.loads[t.slot] -= t.counted
	e.loads[slot] += partitions
	t.slot, t.counted = slot, partitions
}

// refreshTopics looks regularly for added partitions and changed limits. If a
// limit falls below the client's batch.size, the limit applies to single
// messages at once. Batches follow when brokers refuse a batch, see lowerBatch.
func (e *Engine) refreshTopics() {
	tick := time.NewTicker(e.config.MetadataMaxAge)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-e.alive.Done():
			return
		}
		e.topics.Range(func(_, value any) bool {
			t := value.(*Topic)
			if r := t.route.Load(); r != nil && e.alive.Err() == nil {
				t.refresh(r)
			}
			return true
		})
	}
}

func (t *Topic) refresh(old *route) {
	n, err := old.client.partitions(t.engine.alive, t.name, longestCall)
	if err != nil {
		return // retry at the next tick
	}
	rules := old.client.rules(t.engine.alive, t.name)
	if rules == (topicRules{}) {
		rules = old.rules
	}
	queues := old.queues
	if int(n) > len(queues) { // a broker that lags behind may name fewer
		queues = old.client.topicQueues(t.name, n)
		t.engine.mu.Lock()
		t.engine.countLocked(t, t.slot, n)
		t.engine.mu.Unlock()
	}
	if len(queues) != len(old.queues) || rules != old.rules {
		t.engine.config.Logger.Info("topic_changed", "topic", t.name, "partitions", len(queues), "max_message_bytes", rules.maxMessageBytes)
		t.route.CompareAndSwap(old, &route{client: old.client, queues: queues, rules: rules})
	}
}
