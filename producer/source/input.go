package source

import (
	"context"
	"time"
)

// Input is something to read: files, the rows of a table, another broker's
// queue. Implement it, and [Source] does the rest.
//
// An input has one or more streams, and a position in each. A stream is what is
// read in order: one file, one shard of a table. A position is text that the
// input writes and reads itself. It names the place behind an item.
type Input[T any] interface {
	// Open prepares to read one shard, behind the positions that are committed.
	// committed has one position for each stream of this source that has any,
	// of all shards. A stream without a position is read from its beginning.
	// The reader is used by one goroutine. Open is called again, with the
	// reader before closed, after a transaction was aborted.
	Open(ctx context.Context, shard Shard, committed []Position) (Reader[T], error)
}

// Reader reads one shard of an [Input].
type Reader[T any] interface {
	// Next stores the next item and returns true. It returns false if there is
	// no item now. Next may wait for the network or a disk, but it does not
	// wait for an item to appear.
	Next(ctx context.Context, item *Item[T]) (bool, error)
	// More is called after Next returned false. It returns false if there will
	// never be another item: the shard is at its end. Otherwise it waits until
	// it is worth calling Next again, or until ctx ends, and returns true.
	More(ctx context.Context) (bool, error)
	// Positions returns the positions behind the items that Next has returned
	// since the last call of Positions, one for each stream among them.
	Positions() []Position
	// Close frees what the reader holds.
	Close() error
}

// Committer is implemented by a [Reader] that cleans up what was published, as
// a queue's rows are deleted.
type Committer interface {
	// Committed is called after the transaction with these positions is known
	// to be committed, and after Open for the positions that it was given. An
	// error is logged, and the next call is the next chance.
	Committed(ctx context.Context, positions []Position) error
}

// Lagger is implemented by a [Reader] that knows how much is left to read.
// [Source.Health] asks it, from another goroutine than the reader's.
type Lagger interface {
	Lag(ctx context.Context) (Lag, error)
}

// Lag is what a shard has not published yet.
type Lag struct {
	Items  int64         // -1 if the input cannot count them
	Oldest time.Duration // the age of the oldest item, 0 if there is none
}

// Item is one item of an input.
type Item[T any] struct {
	Value T
	// Bytes is the item's size, which counts against the size of a transaction.
	Bytes int
}

// Position is a place in a stream, behind an item.
type Position struct {
	// Stream names what was read. It must stay the same over restarts, and it
	// may be empty if there is only one.
	Stream string
	// Value is the place, in the input's own words.
	Value string
}

// Shard is the part of an input that one reader reads: those items whose
// stream, key or other property falls to Number of Count.
type Shard struct {
	Number int // from 0
	Count  int // at least 1
}
