package source

import (
	"fmt"
	"time"

	"github.com/avroline/avroline/producer"
)

// Option changes how a [Source] works. The zero Option does nothing.
type Option struct {
	name  string
	apply func(*config)
}

// String is the option's name.
func (o Option) String() string { return o.name }

type config struct {
	checkpoints string
	restart     bool
	items       int
	bytes       int
	time        time.Duration
	shards      int // 0: one shard, shared with nobody
	hooks       []Hooks
	producer    []producer.Option
}

// WithProducer gives options of [producer.NewTransactional]: how to reach the
// brokers, the transaction timeout, the logger and so on. WithGroupCommit and
// WithoutRecovery are refused.
func WithProducer(opts ...producer.Option) Option {
	return Option{"WithProducer", func(c *config) { c.producer = append(c.producer, opts...) }}
}

// WithCheckpoints names the topic of positions. It must be compacted. With
// producer.WithCreateTopics the source creates it. Several sources may share
// the topic. Default "avroline-checkpoints".
func WithCheckpoints(topic string) Option {
	return Option{"WithCheckpoints", func(c *config) { c.checkpoints = topic }}
}

// WithTransaction bounds one transaction: it is committed when it has so many
// items, or so many bytes of them, or has lasted so long. It is also committed
// when the input has no item at the moment. Default 1,000 items, 1 MiB and 5 s.
// The time must be below the transaction timeout.
func WithTransaction(items, bytes int, lasting time.Duration) Option {
	return Option{"WithTransaction", func(c *config) { c.items, c.bytes, c.time = items, bytes, lasting }}
}

// Restart ignores the positions that were committed by earlier runs: everything
// is read from the beginning, and published again.
func Restart() Option { return Option{"Restart", func(c *config) { c.restart = true }} }

// WithShards divides the input into n shards, which all running instances of
// the source share. Each shard is read by one instance at a time, with a
// transactional id of its own (NAME-0, NAME-1, …). When an instance dies or
// leaves, its shards move to the others. The instances find each other as the
// consumer group NAME on the topic of positions, which needs at least n
// partitions. With n = 1 one instance works and the others stand by.
//
// n cannot be changed while positions of another n exist, because an item may
// fall to another shard then.
//
// Default: one shard without a group. A second instance then takes the source
// over, and the first one ends with [producer.ErrFenced].
func WithShards(n int) Option {
	return Option{"WithShards", func(c *config) { c.shards = n }}
}

// Hooks are told what a source does. Each may be nil. They run on the goroutine
// of their shard, and must not block.
type Hooks struct {
	// Committed is called after a transaction was committed.
	Committed func(c Commit)
	// Aborted is called after a transaction was not committed. Its items are
	// read again, unless the shard stops.
	Aborted func(shard int, err error)
	// Started is called when this instance begins to read a shard.
	Started func(shard int)
	// Stopped is called when this instance reads a shard no more. err is nil at
	// the end of the input, when the shard has moved, and when the context
	// ended.
	Stopped func(shard int, err error)
}

// Commit describes a committed transaction.
type Commit struct {
	Shard int
	Items int
	Bytes int           // of the items
	Took  time.Duration // from the first item to the commit
}

// WithHooks adds hooks. Those of several WithHooks are called in order.
func WithHooks(h Hooks) Option {
	return Option{"WithHooks", func(c *config) { c.hooks = append(c.hooks, h) }}
}

// bad makes the error of an option.
func bad(option, value, reason string) error {
	return &producer.ConfigError{Setting: option, Value: value, Reason: reason}
}

func (c *config) check(transactionTimeout time.Duration) []error {
	var errs []error
	if c.items < 1 || c.bytes < 1 || c.time <= 0 || c.time >= transactionTimeout {
		errs = append(errs, bad("WithTransaction", fmt.Sprintf("%d, %d, %v", c.items, c.bytes, c.time),
			fmt.Sprintf("must be at least 1 item and 1 byte, and a time above 0 and below the transaction timeout, %v", transactionTimeout)))
	}
	if c.shards < 0 || c.shards > 10_000 {
		errs = append(errs, bad("WithShards", fmt.Sprint(c.shards), "must be from 1 to 10000"))
	}
	return errs
}
