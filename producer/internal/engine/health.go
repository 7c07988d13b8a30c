package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/transport"
)

// Health is the state of a producer at one moment. Asking for it does no I/O.
type Health struct {
	// Ready says whether the producer can publish, as far as the producer
	// knows.
	Ready bool
	// Since is the time of the last change of Ready.
	Since time.Time
	// Reason says why the producer is not ready, in the words of its errors.
	// Reason is nil if Ready is true.
	Reason error
	// Degraded says what is wrong although the producer can publish. For
	// example, one of several brokers is unreachable, a partition does not
	// move, or Prepare has seen too few replicas in sync ([ErrNotReady]).
	// Degraded is nil if nothing is wrong or if Ready is false.
	Degraded error
	// InFlight is the number of accepted messages without an outcome.
	InFlight int64
	// Stuck names partitions, as "topic[partition]". Such a partition has
	// messages in flight and had no outcome for 10 seconds.
	Stuck []string
	// OldestInFlight is the longest time for which a partition has had no
	// outcome. It is 0 if nothing is in flight.
	OldestInFlight time.Duration
	// Brokers are the brokers that the producer knows, with their state.
	Brokers []transport.Broker
}

// Health reports whether the engine can publish. Health does no I/O.
func (e *Engine) Health() Health { return e.healthNow(e.Err()) }

// stuckAfter is the time without an outcome after which a partition with
// messages in flight is stuck.
const stuckAfter = 10 * time.Second

// progress is the last observation of each partition.
type progress struct {
	mu    sync.Mutex
	seen  map[*queue]progressMark
	ready bool
	since time.Time
	// underReplicated has the topics with too few replicas in sync, as Prepare
	// or a later check has seen them.
	underReplicated map[string]error
	refusals        refusals
	lost            map[refusedPartition]lostPartition
	// silent says why a partition that does not move has no answer from its
	// leader.
	silent map[refusedPartition]error
}

type progressMark struct {
	head uint32
	at   time.Time
}

// watchEvery is the interval of the observations.
const watchEvery = time.Second

// watchProgress observes all partitions and brokers until the producer is
// closed.
func (e *Engine) watchProgress() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var topics, brokers, replicas singleRun
	for n := 1; ; n++ {
		select {
		case now := <-tick.C:
			e.progress.observe(e.allQueues(), now)
			e.lend(now)
			topics.start(e, func() { e.checkTopics(now) })
			if e.trouble.cause() != nil && e.Stats().InFlight == 0 {
				e.lookForBrokers()
			}
			e.healthNow(e.Err()) // notes the time of a change
			if n%2 == 0 {
				brokers.start(e, e.probeLostBrokers)
				replicas.start(e, e.checkUnderReplicated)
			}
		case <-e.alive.Done():
			return
		}
	}
}

// singleRun runs a function in the background, once at a time.
type singleRun struct{ atomic.Bool }

func (b *singleRun) start(e *Engine, f func()) {
	if !b.CompareAndSwap(false, true) {
		return
	}
	if !e.spawn(func() {
		defer b.Store(false)
		f()
	}) {
		b.Store(false)
	}
}

// probeLostBrokers connects to the brokers whose connection has ended or could
// not be opened. A client connects only to brokers that it needs, so the client
// itself may not notice that such a broker is back, or that it is away.
func (e *Engine) probeLostBrokers() {
	e.mu.Lock()
	clients := slices.Clone(e.clients)
	e.mu.Unlock()
	var probes sync.WaitGroup
	for _, k := range clients {
		for _, b := range k.transport.Brokers().List() {
			if b.State != transport.BrokerLost && b.State != transport.BrokerUnreachable {
				continue
			}
			probes.Go(func() {
				ctx, cancel := context.WithTimeout(e.alive, probeWait)
				defer cancel()
				err := diagnose.Probe(ctx, e.config, b.Address)
				if e.alive.Err() == nil {
					k.transport.Brokers().Probed(b, err)
				}
			})
		}
	}
	probes.Wait()
}

// noteReplicas notes that a topic has too few replicas in sync, or enough if
// err is nil.
func (p *progress) noteReplicas(topic string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.underReplicated, topic)
		return
	}
	if p.underReplicated == nil {
		p.underReplicated = map[string]error{}
	}
	p.underReplicated[topic] = err
}

// underReplicatedTopics returns the topics with too few replicas in sync, and
// their errors in the order of the topics.
func (p *progress) underReplicatedTopics() (topics []string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	topics = slices.Sorted(maps.Keys(p.underReplicated))
	errs := make([]error, len(topics))
	for i, name := range topics {
		errs[i] = p.underReplicated[name]
	}
	return topics, errors.Join(errs...)
}

// maxStuckChecks is the number of stuck topics whose replicas one run of
// checkUnderReplicated looks at.
const maxStuckChecks = 5

// checkUnderReplicated looks whether topics have enough replicas in sync again,
// and whether topics with a stuck partition have too few. checkUnderReplicated
// also looks for partitions without a leader, because no broker refuses their
// messages.
func (e *Engine) checkUnderReplicated() {
	topics, _ := e.progress.underReplicatedTopics()
	most := len(topics) + maxStuckChecks
	for _, q := range e.progress.notMoving(time.Now(), lendAfter) {
		if len(topics) < most && !slices.Contains(topics, q.topic.name) {
			topics = append(topics, q.topic.name)
		}
	}
	silent := e.progress.unexplained(lendAfter)
	if len(silent) > 0 {
		e.trouble.probe()
	}
	if len(topics) == 0 {
		return
	}
	k, err := e.metadataClient()
	if err != nil {
		return
	}
	leaders := map[refusedPartition]string{}
	for _, name := range topics {
		e.noteLeaders(k, name, leaders)
	}
	e.noteSilent(silent, leaders)
	for _, name := range topics {
		if lacking, known := e.missingReplicas(e.alive, k, name); known {
			e.progress.noteReplicas(name, lacking)
		}
	}
}

// lookForBrokers ends the trouble if a broker answers. A delivery ends the
// trouble too, but an idle producer has no delivery.
func (e *Engine) lookForBrokers() {
	k, err := e.mainOrErr()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(e.alive, watchEvery)
	defer cancel()
	if k.transport.Reach(ctx) == nil {
		e.trouble.clear()
	}
}

func (e *Engine) allQueues() []*queue {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []*queue
	for _, k := range e.clients {
		all = append(all, *k.queues.Load()...)
	}
	return all
}

// observe records when each partition with messages in flight moved last.
func (p *progress) observe(queues []*queue, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := map[*queue]progressMark{}
	for _, q := range queues {
		head := q.head.Load()
		if head == q.tail.Load() {
			continue
		}
		mark, known := p.seen[q]
		if !known || mark.head != head {
			mark = progressMark{head, now}
		}
		seen[q] = mark
	}
	p.seen = seen
	p.refusals.keep(seen)
}

// stuck returns the names of the partitions that have not moved for the given
// time, in order, and the longest time for which a partition has not moved.
func (p *progress) stuck(now time.Time, after time.Duration) (names []string, oldest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for q, mark := range p.seen {
		if q.head.Load() != mark.head {
			continue
		}
		waited := now.Sub(mark.at)
		oldest = max(oldest, waited)
		if waited >= after {
			names = append(names, fmt.Sprintf("%s[%d]", q.topic.name, q.partition))
		}
	}
	for at, lost := range p.lost {
		waited := now.Sub(lost.since)
		oldest = max(oldest, waited)
		if waited >= after {
			names = append(names, fmt.Sprintf("%s[%d]", at.topic, at.partition))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), oldest
}

// healthNow returns the current health. ended is the reason why the producer
// ended, or nil.
func (e *Engine) healthNow(ended error) Health {
	now := time.Now()
	h := Health{InFlight: e.Stats().InFlight, Brokers: e.Brokers()}
	var topic string
	h.Stuck, topic, h.OldestInFlight = e.progress.stuckTopic(now)
	connected := slices.ContainsFunc(h.Brokers, func(b transport.Broker) bool { return b.State == transport.BrokerConnected })
	cause, denied := e.trouble.cause(), e.deniedError()
	switch {
	case ended != nil:
		h.Reason = ended
	case denied != nil:
		h.Reason = denied
	case cause != nil && !connected:
		h.Reason = cause
	case topic != "":
		h.Reason = e.explainStuck(h.Stuck, stuckAfter)
	default:
		h.Degraded = e.degraded(&h, cause)
	}
	h.Ready = h.Reason == nil
	e.progress.mu.Lock()
	if e.progress.since.IsZero() || e.progress.ready != h.Ready {
		e.progress.ready, e.progress.since = h.Ready, now
	}
	h.Since = e.progress.since
	e.progress.mu.Unlock()
	return h
}

// degraded returns what is wrong with an engine that is ready.
func (e *Engine) degraded(h *Health, cause error) error {
	_, lacking := e.progress.underReplicatedTopics()
	errs := []error{lacking}
	if len(h.Stuck) > 0 {
		errs = append(errs, e.withReason(stuckError(h.Stuck, stuckAfter), nil))
	}
	for _, b := range h.Brokers {
		if b.State != transport.BrokerUnreachable {
			continue
		}
		err := fmt.Errorf("%w: broker %s", diagnose.ErrUnreachable, b.Address)
		if errors.As(b.Reason, new(*diagnose.ConnectionError)) {
			err = b.Reason
		} else if b.Reason != nil {
			err = withCause(err, b.Reason)
		}
		errs, cause = append(errs, err), nil
	}
	return errors.Join(append(errs, cause)...)
}

// stuckTopic returns what stuck returns, and the name of a topic of which every
// partition is stuck.
func (p *progress) stuckTopic(now time.Time) (names []string, topic string, oldest time.Duration) {
	names, oldest = p.stuck(now, stuckAfter)
	if len(names) == 0 {
		return nil, "", oldest
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	stuck := map[*clientTopic]int{}
	count := func(t *clientTopic) {
		if stuck[t]++; stuck[t] == len(*t.queues.Load()) {
			topic = t.name
		}
	}
	for q, mark := range p.seen {
		if q.head.Load() == mark.head && now.Sub(mark.at) >= stuckAfter {
			count(q.topic)
		}
	}
	for _, lost := range p.lost {
		if now.Sub(lost.since) >= stuckAfter {
			count(lost.topic)
		}
	}
	return names, topic, oldest
}

var errStuck = errors.New("producer: partitions do not move")

// stuckError returns an error that names at most five partitions.
func stuckError(names []string, after time.Duration) error {
	const most = 5
	if len(names) > most {
		return fmt.Errorf("%w: %v and %d more had no delivery for %v", errStuck, names[:most], len(names)-most, after)
	}
	return fmt.Errorf("%w: %v had no delivery for %v", errStuck, names, after)
}

// explainStuck is stuckError with the reason if the engine knows the reason.
func (e *Engine) explainStuck(names []string, after time.Duration) error {
	return e.withReason(stuckError(names, after), e.progress.lackingReplicas(names))
}

// withReason adds to the error of stuck partitions why they do not move.
// lacking is the error about missing replicas, or nil.
func (e *Engine) withReason(err, lacking error) error {
	code, refused := e.progress.refusal(lendAfter)
	switch {
	case lacking != nil && (refused == nil || code == notEnoughReplicas || code == notEnoughReplicasAfterAppend):
		return withCause(err, lacking) // has the numbers of the replicas
	case refused != nil:
		return withCause(err, refused)
	}
	return err
}

// lackingReplicas returns the error of the first partition with too few
// replicas in sync of a topic of partitions, or nil.
func (p *progress) lackingReplicas(partitions []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range partitions {
		err := p.underReplicated[name[:strings.LastIndexByte(name, '[')]]
		if all, ok := err.(interface{ Unwrap() []error }); ok {
			return all.Unwrap()[0]
		}
	}
	return nil
}
