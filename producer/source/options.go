package source

import (
	"context"
	"fmt"
	"time"

	"github.com/avroline/avroline/producer"
)

// Option changes how a [Source] works. The zero Option does nothing.
type Option struct {
	name  string
	apply func(*config)
}

// String returns the option's name.
func (o Option) String() string { return o.name }

type config struct {
	checkpoints string
	restart     bool
	items       int
	bytes       int
	time        time.Duration
	shards      int  // 0: one shard, without a group
	sharded     bool // WithShards was given
	hooks       []Hooks
	producer    []producer.Option
}

// WithProducer passes options to [producer.NewTransactional], such as the
// connection to the brokers, the transaction timeout and the logger.
// WithGroupCommit and WithoutRecovery are refused.
func WithProducer(opts ...producer.Option) Option {
	return Option{"WithProducer", func(c *config) { c.producer = append(c.producer, opts...) }}
}

// WithCheckpoints names the topic of positions. The topic must be compacted,
// and must not delete old messages (cleanup.policy=compact). Otherwise Run ends
// with an error, if the brokers tell the settings of the topic. With
// producer.WithCreateTopics the source creates the topic. Several sources may
// share the topic. Default "avroline-checkpoints".
func WithCheckpoints(topic string) Option {
	return Option{"WithCheckpoints", func(c *config) { c.checkpoints = topic }}
}

// WithTransaction bounds one transaction. The transaction is committed at the
// given number of items, at the given number of bytes, or after the given time.
// The transaction is also committed if the input has no item at the moment.
// Default 1,000 items, 1 MiB and 5 s. The time must be below the transaction
// timeout.
func WithTransaction(items, bytes int, duration time.Duration) Option {
	return Option{"WithTransaction", func(c *config) { c.items, c.bytes, c.time = items, bytes, duration }}
}

// Restart ignores the positions of earlier runs. The source reads everything
// from the beginning and publishes it again. The first transaction replaces the
// positions of earlier runs, so a run without Restart then continues behind the
// restarted run. New refuses Restart together with [WithShards]. Give such a
// source another name instead.
func Restart() Option { return Option{"Restart", func(c *config) { c.restart = true }} }

// WithShards divides the input into n shards, at most 10,000. All running
// instances of the source share the shards. Only one instance at a time reads a
// shard, and each shard has a separate transactional id (NAME-0, NAME-1, …). If
// an instance dies or leaves, its shards move to the other instances. The
// instances form the consumer group NAME on the topic of positions. The topic
// needs at least n partitions. With n = 1, one instance works and the others
// stand by.
//
// n cannot change while positions of another n exist, because an item may
// belong to another shard afterwards.
//
// By default there is one shard without a group. A second instance then takes
// the source over, and the first instance ends with [producer.ErrFenced].
func WithShards(n int) Option {
	return Option{"WithShards", func(c *config) { c.shards, c.sharded = n, true }}
}

// Hooks see the progress of a source. Each function may be nil. A function runs
// on the goroutine of its shard, and must not block. A panic in a function is
// logged, and the work goes on.
//
// The published messages are in the producer's own hooks (WithProducer,
// producer.WithHooks).
type Hooks struct {
	// Started is called when this instance begins to read a shard.
	Started func(ctx context.Context, shard int)
	// Stopped is called when this instance stops reading a shard. err is nil in
	// three cases: the input is at its end, the shard has moved, or the context
	// has ended.
	Stopped func(ctx context.Context, shard int, err error)
	// StartTransaction is called before a transaction begins. The function of
	// the source gets the returned context, and so does Committed or Aborted.
	// The returned context must be ctx or a child of ctx.
	StartTransaction func(ctx context.Context, shard int) context.Context
	// Committed is called after a transaction was committed.
	Committed func(ctx context.Context, c Commit)
	// Aborted is called after a transaction was not committed. The source reads
	// the items again, unless the shard stops.
	Aborted func(ctx context.Context, shard int, err error)
	// Lag is called if the input knows its lag. The source calls Lag when the
	// input is opened, about every 10 seconds after a commit, and when a lag
	// becomes 0.
	Lag func(ctx context.Context, shard int, lag Lag)
}

// Commit describes a committed transaction.
type Commit struct {
	Shard     int
	Items     int
	Bytes     int           // the total size of the items
	Took      time.Duration // from the first item to the commit
	Positions []Position    // the positions that were committed
}

// WithHooks adds hooks for metrics and traces. WithHooks may be given several
// times. The source then calls all hooks in order. Each StartTransaction gets
// the context that the StartTransaction before has returned.
func WithHooks(h Hooks) Option {
	return Option{"WithHooks", func(c *config) { c.hooks = append(c.hooks, h) }}
}

// optionError makes the error of an option.
func optionError(option, value, reason string) error {
	return &producer.ConfigError{Setting: option, Value: value, Reason: reason}
}

func (c *config) check(transactionTimeout time.Duration) []error {
	var errs []error
	if c.items < 1 || c.bytes < 1 || c.time <= 0 || c.time >= transactionTimeout {
		errs = append(errs, optionError("WithTransaction", fmt.Sprintf("%d, %d, %v", c.items, c.bytes, c.time),
			fmt.Sprintf("must be at least 1 item and 1 byte, and a time above 0 and below the transaction timeout, %v", transactionTimeout)))
	}
	if c.sharded && (c.shards < 1 || c.shards > 10_000) {
		errs = append(errs, optionError("WithShards", fmt.Sprint(c.shards), "must be from 1 to 10000"))
	}
	if c.sharded && c.restart {
		errs = append(errs, optionError("Restart", "", "does not go with WithShards, because each instance that gets a shard would read it from the beginning: "+
			"give the source another name"))
	}
	return errs
}
