package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/checkpoint"
	"github.com/avroline/avroline/producer/internal/open"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// Source publishes an [Input] in transactions, each item exactly once. T is the
// type of the items. A Source is safe for concurrent use, but only one Run may
// be active. With [WithShards], Run may be called only once.
type Source[T any] struct {
	name        string
	input       Input[T]
	config      config
	settings    *settings.Config
	brokers     []string
	serializer  *serde.Serializer
	positions   positions
	function    Function[T]
	badFunction BadFunction[T]

	mu     sync.Mutex
	shards map[int]*shard[T]    // shards that this instance reads
	health map[int]*shardHealth // of the shards that are assigned to this instance
	past   producer.Stats       // the counts of closed shards
	closed bool
	since  time.Time // when the source was made, or ended
	ended  error     // the error of Run, if Run has returned one
}

// Format prints the name for every verb, because the settings may hold
// passwords.
func (s *Source[T]) Format(f fmt.State, _ rune) {
	if s == nil {
		_, _ = fmt.Fprint(f, "<nil>")
		return
	}
	_, _ = fmt.Fprintf(f, "source.Source(%s)", s.name)
}

// Function is called for each item, in the order of its stream. Function adds
// the messages of the item to the transaction. Functions of different shards
// run at the same time.
//
// Function runs again for the same items after an abort. So Function must have
// no other lasting effect. A counter, for example, belongs in
// [producer.Tx.OnEnd]. An error aborts the transaction and ends the shard, with
// three exceptions: an error that wraps [serde.ErrRegistry] or
// [producer.ErrWouldBlock], and an error made by [Temporary]. After such an
// error, the source reads the items again after a pause.
type Function[T any] func(ctx context.Context, tx *producer.Tx, item T) error

// BadFunction is called in place of the [Function] for an item whose messages a
// broker refuses because of their content. BadFunction runs inside the
// transaction. If BadFunction returns nil, the source goes on to the next item.
type BadFunction[T any] func(ctx context.Context, tx *producer.Tx, item T, reason error) error

// HandleBad lets f handle the items whose messages a broker refuses. Call
// HandleBad before Run. By default, and with a nil f, a refused item ends its
// shard, and the error names the item.
func (s *Source[T]) HandleBad(f BadFunction[T]) { s.badFunction = f }

// New makes a source and does not wait for I/O. name must stay the same after a
// restart, and another source must not use the same name. The positions are
// stored under the name, and the transactional ids begin with the name. reg
// reads the schemas that the serializer has registered. The error lists all
// mistakes in the arguments.
func New[T any](brokers []string, name string, in Input[T], reg serde.Registry, s *serde.Serializer, opts ...Option) (*Source[T], error) {
	c := config{checkpoints: "avroline-checkpoints", items: 1000, bytes: 1 << 20, time: 5 * time.Second}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(&c)
		}
	}
	var errs []error
	if name == "" {
		errs = append(errs, optionError("name", "", "must not be empty: positions are kept under it"))
	}
	switch checked := any(in).(type) {
	case nil:
		errs = append(errs, optionError("input", "", "must not be nil"))
	case interface{ check() error }:
		if err := checked.check(); err != nil {
			errs = append(errs, optionError("input", "", err.Error()))
		}
	}
	set, err := settings.Read(settings.ForSource, brokers, orDefault(name, "unnamed"), c.producer)
	if err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, c.check(set.TransactionTimeout)...)
	}
	log, err := newPositions(c.checkpoints, name, reg)
	if err != nil {
		errs = append(errs, err)
	}
	if s == nil {
		errs = append(errs, optionError("serializer", "", "must not be nil: make one with serde.NewSerializer"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	out := &Source[T]{
		name: name, input: in, config: c, settings: set, brokers: brokers, serializer: s, positions: log,
		shards: map[int]*shard[T]{}, health: map[int]*shardHealth{}, since: time.Now(),
	}
	if c.shards == 0 {
		if _, err := out.open(Shard{Number: 0, Count: 1}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func orDefault(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// transactional makes the producer of a shard.
func (s *Source[T]) transactional(id string, r producer.Resolver) (*producer.Transactional, error) {
	opts := append(slices.Clone(s.config.producer),
		settings.Set("WithCheckpoints", func(c *settings.Config) { c.CompactedTopic = s.positions.name }))
	if r != nil {
		opts = append(opts, producer.WithResolver(r))
	}
	return producer.NewTransactional(s.brokers, id, s.serializer, opts...)
}

// open makes a shard.
func (s *Source[T]) open(number Shard) (*shard[T], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, producer.ErrClosed
	}
	if s.health[number.Number] == nil {
		s.health[number.Number] = newShardHealth(number.Number)
	}
	h := &shard[T]{source: s, Shard: number, writer: uuid.New(), restart: s.config.restart, health: s.health[number.Number]}
	id := s.name
	if s.config.shards > 0 {
		id = fmt.Sprintf("%s-%d", s.name, number.Number)
	}
	t, err := s.transactional(id, h)
	if err != nil {
		return nil, err
	}
	h.t = t
	h.health.setProducer(t)
	s.shards[number.Number] = h
	return h, nil
}

// retire closes a shard and keeps its counts.
func (s *Source[T]) retire(ctx context.Context, h *shard[T]) error {
	h.health.setProducer(nil)
	err := h.t.Close(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shards[h.Number] == h {
		delete(s.shards, h.Number)
		s.past = addStats(s.past, h.t.Stats())
	}
	return err
}

// forgetShard removes a shard from the health of this instance, because the
// shard has moved.
func (s *Source[T]) forgetShard(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.health, number)
}

func addStats(a, b producer.Stats) producer.Stats {
	a.Accepted += b.Accepted
	a.Delivered += b.Delivered
	a.NotSent += b.NotSent
	a.Unknown += b.Unknown
	a.InFlight += b.InFlight
	a.InFlightBytes += b.InFlightBytes
	return a
}

// Stats returns the counts of all messages of this instance, including the
// positions. See [producer.Transactional.Stats].
func (s *Source[T]) Stats() producer.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := s.past
	for _, h := range s.shards {
		sum = addStats(sum, h.t.Stats())
	}
	return sum
}

// Prepare checks the given topics and the topic of positions. Prepare is
// optional. Without [WithShards], Prepare takes the source over from another
// instance. See [producer.Transactional.Prepare].
func (s *Source[T]) Prepare(ctx context.Context, topics ...producer.Prepared) error {
	if err := s.prepareCheckpoints(ctx); err != nil {
		return err
	}
	topics = append(topics, s.positions.topic)
	s.mu.Lock()
	h := s.shards[0]
	s.mu.Unlock()
	if s.config.shards == 0 && h != nil {
		return h.t.Prepare(ctx, topics...)
	}
	// Use a new transactional id, because the id of a shard belongs to the
	// instance that reads the shard.
	t, err := s.transactional(fmt.Sprintf("%s-prepare-%s", s.name, uuid.New()), nil)
	if err != nil {
		return err
	}
	return errors.Join(t.Prepare(ctx, topics...), t.Close(ctx))
}

// prepareCheckpoints creates the topic of positions, if the options allow it.
func (s *Source[T]) prepareCheckpoints(ctx context.Context) error {
	if !s.settings.CreateTopics.Allowed {
		return nil
	}
	err := open.CreateTopic(ctx, s.settings, s.positions.name, max(1, s.config.shards), s.settings.CreateTopics.Replication,
		map[string]string{"cleanup.policy": "compact"})
	if err != nil {
		return fmt.Errorf("source: %s: create the topic of positions: %w", s.name, err)
	}
	return nil
}

// Run reads the input and calls f for each item.
//
// Without [WithShards], Run returns nil when the input is at its end and
// everything is committed. Run returns an error only if the error is permanent:
// an error of f, [producer.ErrFenced], a topic that does not exist, or a
// missing permission. Run waits during an outage. With WithShards, Run works
// until ctx ends. If a shard fails, Run logs the error, and [Source.Health],
// [Source.Shards] and [Hooks] report the error. The source tries the shard
// again after a pause that grows to one minute.
//
// When ctx ends, Run aborts the open transaction and returns an error that
// wraps the reason. The next Run continues after the last committed item, also
// in another process.
func (s *Source[T]) Run(ctx context.Context, f Function[T]) error {
	if f == nil {
		return errors.New("source: Run: the function is nil")
	}
	s.mu.Lock()
	again := s.function != nil && s.config.shards > 0
	if !again {
		s.function, s.ended = f, nil
	}
	s.mu.Unlock()
	if again {
		return errors.New("source: Run was called before")
	}
	err := s.run(ctx)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended, s.since = err, time.Now()
	}
	return err
}

func (s *Source[T]) run(ctx context.Context) error {
	for {
		err := s.prepareCheckpoints(ctx)
		if err == nil {
			break
		}
		if !open.IsOutage(err) || ctx.Err() != nil {
			return err
		}
		s.settings.Logger.WarnContext(ctx, "brokers_away", "source", s.name, "err", err)
	}
	if s.config.shards > 0 {
		return s.runShards(ctx)
	}
	s.mu.Lock()
	h := s.shards[0]
	s.mu.Unlock()
	if h == nil {
		return producer.ErrClosed
	}
	err := h.run(ctx)
	if err != nil {
		return fmt.Errorf("source: %s: %w", s.name, err)
	}
	return nil
}

// Close ends the source. Wait until Run has returned before you call Close. See
// [producer.Transactional.Close].
func (s *Source[T]) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed, s.since = true, time.Now()
	}
	all := make([]*shard[T], 0, len(s.shards))
	for _, h := range s.shards {
		all = append(all, h)
	}
	s.mu.Unlock()
	var errs []error
	for _, h := range all {
		errs = append(errs, s.retire(ctx, h))
	}
	s.settings.CloseLog()
	return errors.Join(errs...)
}

// temporaryError is an error that may disappear after a pause.
type temporaryError struct{ error }

func (e temporaryError) Unwrap() error { return e.error }

// Temporary marks an error of an [Input] or a [Function] as temporary. The
// shard's transaction is then aborted, and the source reads the items again
// after a pause. Temporary returns nil for a nil error.
func Temporary(err error) error {
	if err == nil {
		return nil
	}
	return temporaryError{err}
}

// record makes the record of a position.
func (h *shard[T]) record(p Position) *checkpoint.Position {
	return &checkpoint.Position{
		Source: h.source.name, Stream: p.Stream, Position: p.Value,
		Shard: int32(h.Number), Shards: int32(h.Count), Writer: h.writer, At: time.Now(),
	}
}

// IsTemporary reports whether an error was marked by [Temporary].
func IsTemporary(err error) bool { return errors.As(err, new(temporaryError)) }
