package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/transport"
)

// failingAfter is the time until a shard with repeated errors is not ready, and
// until a shard that waits for an answer is not ready.
const failingAfter = 10 * time.Second

// Health reports whether this instance can publish. Health does no I/O.
//
// A shard is not ready if the shard has stopped, if its producer is not ready,
// or if the shard has met errors for 10 seconds without a commit. Nor is a
// shard ready that has waited 10 seconds for an answer of the brokers or the
// input, or the transaction timeout for the items of a transaction. If no shard
// of this instance is ready, Ready is false. Otherwise Degraded names the
// shards that are not ready, and the shards with a recent error. An instance
// without a shard is ready, because the instance stands by. After Run has
// returned an error, Reason is the error.
//
// The other fields are those of the producers of all shards.
func (s *Source[T]) Health() producer.Health { return s.healthAt(time.Now()) }

func (s *Source[T]) healthAt(now time.Time) producer.Health {
	s.mu.Lock()
	shards := slices.SortedFunc(maps.Values(s.health), func(a, b *shardHealth) int { return cmp.Compare(a.number, b.number) })
	out := producer.Health{Since: s.since}
	ended := s.ended
	if ended == nil && s.closed {
		ended = producer.ErrClosed
	}
	s.mu.Unlock()
	var ready, down time.Time // the time of the first shard that became ready, and of the last shard that became unready
	var failed, degraded []error
	for _, h := range shards {
		one := h.state(now)
		out.InFlight += one.InFlight
		out.Stuck = append(out.Stuck, one.Stuck...)
		out.OldestInFlight = max(out.OldestInFlight, one.OldestInFlight)
		out.Brokers = addBrokers(out.Brokers, one.Brokers)
		switch {
		case !one.Ready:
			failed = append(failed, h.withShard(s.name, one.Reason, s.config.shards > 0))
			down = laterOf(down, one.Since)
		default:
			if ready.IsZero() || one.Since.Before(ready) {
				ready = one.Since
			}
			if one.Degraded != nil {
				degraded = append(degraded, h.withShard(s.name, one.Degraded, s.config.shards > 0))
			}
		}
	}
	switch {
	case ended != nil:
		out.Reason = ended
	case len(failed) > 0 && len(failed) == len(shards):
		out.Reason, out.Since = joinSome(failed), down
	default:
		out.Ready, out.Degraded = true, joinSome(append(failed, degraded...))
		out.Since = laterOf(out.Since, ready)
	}
	return out
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// joinSome joins at most five errors.
func joinSome(errs []error) error {
	const most = 5
	if more := len(errs) - most; more > 0 {
		errs = append(errs[:most:most], fmt.Errorf("source: %d more shards are not ready", more))
	}
	return errors.Join(errs...)
}

// addBrokers adds the brokers of another client. If only one of two clients can
// use a broker, the list has the state of the usable connection.
func addBrokers(all, more []producer.Broker) []producer.Broker {
	for _, b := range more {
		i := slices.IndexFunc(all, func(known producer.Broker) bool { return known.ID == b.ID && known.Address == b.Address })
		switch {
		case i < 0:
			all = append(all, b)
		case all[i].State != producer.BrokerConnected && b.State == producer.BrokerConnected:
			all[i] = b
		}
	}
	return all
}

// ShardHealth is the state of a shard that is assigned to this instance.
type ShardHealth struct {
	Shard int
	// Running is false after an error, during the pause before the next try.
	Running bool
	// Err is the last error. It becomes nil when a transaction is committed, or
	// when the input has no unpublished item. Err is also the error of a relay
	// that publishes rows, but cannot delete them.
	Err          error
	LastCommit   time.Time // the zero time before the first commit
	Transactions int64     // committed by this instance
	Items        int64     // in the committed transactions
	// Lag is the amount of input that is not published yet. Items is -1 if the
	// input does not know the number.
	Lag Lag
}

// Shards returns the state of the shards that are assigned to this instance,
// sorted by number. Shards asks the input for the lag, within ctx.
func (s *Source[T]) Shards(ctx context.Context) []ShardHealth {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.health))
	s.mu.Unlock()
	out := make([]ShardHealth, len(all))
	for i, h := range all {
		h.mu.Lock()
		out[i] = h.now
		if out[i].Err == nil {
			out[i].Err = h.cleanupError()
		}
		lagger := h.lagger
		h.mu.Unlock()
		out[i].Lag = Lag{Items: -1}
		if lagger == nil {
			continue
		}
		lag, err := lagger.Lag(ctx)
		switch {
		case err == nil:
			out[i].Lag = lag
		case out[i].Err == nil:
			out[i].Err = err
		}
	}
	slices.SortFunc(out, func(a, b ShardHealth) int { return a.Shard - b.Shard })
	return out
}

// shardHealth is the state of a shard for [Source.Health] and [Source.Shards],
// which run on other goroutines.
type shardHealth struct {
	number int

	mu      sync.Mutex
	now     ShardHealth
	failing time.Time // the time when now.Err was first not nil
	stopped time.Time // the time when now.Running became false because of now.Err
	started time.Time // the time when now.Running became true
	lagger  Lagger
	cleanup readerWithCleanup       // nil if the reader has no cleanup of its own
	t       *producer.Transactional // nil if closed
	wait    wait
}

// readerWithCleanup is a reader that cleans up published items on its own
// goroutine. CleanupError returns the error of the last attempt.
type readerWithCleanup interface{ CleanupError() error }

// wait is a step of a shard that waits for the brokers or for the input.
type wait struct {
	step  string // empty: the shard waits for nothing
	since time.Time
	limit time.Duration
	err   error // the last error that a retry can fix
}

// setWait begins a wait that is too long after [failingAfter]. An empty step
// ends the wait.
func (s *shardHealth) setWait(step string) { s.setLongWait(step, failingAfter) }

// setLongWait begins a wait that is too long after limit.
func (s *shardHealth) setLongWait(step string, limit time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait = wait{step: step, since: time.Now(), limit: limit}
}

// setTrouble records the reason of a wait.
func (s *shardHealth) setTrouble(err *transport.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait.err = err
}

// reason returns an error if the wait is too long.
func (w *wait) reason(at time.Time) error {
	switch {
	case w.step == "" || at.Sub(w.since) < w.limit:
		return nil
	case w.err != nil:
		return fmt.Errorf("waits since %s for %s: %w", w.since.Format(time.RFC3339), w.step, w.err)
	}
	return fmt.Errorf("waits since %s for %s", w.since.Format(time.RFC3339), w.step)
}

func newShardHealth(number int) *shardHealth {
	return &shardHealth{number: number, now: ShardHealth{Shard: number}}
}

func (s *shardHealth) set(change func(*ShardHealth)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.now
	change(&s.now)
	at := time.Now()
	if before.Err == nil && s.now.Err != nil {
		s.failing = at
	}
	switch {
	case before.Running && !s.now.Running:
		s.stopped = at
	case !before.Running && s.now.Running:
		s.started = at
	}
}

func (s *shardHealth) get() ShardHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *shardHealth) setReader(reader any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lagger, _ = reader.(Lagger)
	s.cleanup, _ = reader.(readerWithCleanup)
}

// cleanupError returns the error of the reader's last cleanup. The caller holds
// the lock.
func (s *shardHealth) cleanupError() error {
	if s.cleanup == nil {
		return nil
	}
	return s.cleanup.CleanupError()
}

func (s *shardHealth) setProducer(t *producer.Transactional) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t = t
}

// state returns the health of the shard.
func (s *shardHealth) state(at time.Time) producer.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := producer.Health{Ready: true, Since: s.started}
	if s.t != nil {
		h = s.t.Health()
		if h.Ready {
			h.Since = laterOf(h.Since, s.started)
		}
	}
	err, waits := s.now.Err, s.wait.reason(at)
	switch {
	case !h.Ready:
	case waits != nil:
		h.Ready, h.Since, h.Reason, h.Degraded = false, s.wait.since.Add(s.wait.limit), waits, nil
	case err == nil:
		h.Degraded = errors.Join(h.Degraded, s.cleanupError())
	case !s.now.Running:
		h.Ready, h.Since, h.Reason, h.Degraded = false, s.stopped, err, nil
	case at.Sub(s.failing) >= failingAfter:
		h.Ready, h.Since, h.Reason, h.Degraded = false, s.failing.Add(failingAfter), err, nil
	default:
		h.Degraded = errors.Join(h.Degraded, err)
	}
	return h
}

// withShard adds the source and the shard to an error. If shared is true, the
// source starts a shard again after every error. Then the result is not
// [producer.ErrFenced] or [producer.ErrFatal], because these errors mean that
// only a restart of the program helps.
func (s *shardHealth) withShard(source string, err error, shared bool) error {
	if !shared {
		return fmt.Errorf("source: %s: %w", source, err)
	}
	if errors.Is(err, producer.ErrFenced) || errors.Is(err, producer.ErrFatal) {
		err = errors.New(err.Error())
	}
	return fmt.Errorf("source: %s: shard %d: %w", source, s.number, err)
}
