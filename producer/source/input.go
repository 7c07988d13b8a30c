package source

import (
	"context"
	"time"
)

// Input is an external input, for example files, the rows of a table, or the
// queue of another broker. Implement Input to use it with [Source].
//
// An input has one or more streams, and a position in each stream. A stream is
// a part of the input that is read in order, for example a file or a shard of a
// table. A position is text in a format of the input. The position names the
// place behind an item.
type Input[T any] interface {
	// Open prepares to read one shard, starting behind the committed positions.
	// committed contains the positions of all shards of this source, at most
	// one for each stream. A stream without a position is read from its
	// beginning. Only one goroutine uses the reader. After an aborted
	// transaction, the source closes the reader and calls Open again.
	Open(ctx context.Context, shard Shard, committed []Position) (Reader[T], error)
}

// Reader reads one shard of an [Input].
type Reader[T any] interface {
	// Next stores the next item and returns true. Next returns false if there
	// is no item now. Next may wait for the network or a disk, but not for a
	// new item.
	Next(ctx context.Context, item *Item[T]) (bool, error)
	// More is called after Next has returned false. More returns false at the
	// end of the shard, where no more items can come. Otherwise More waits
	// until a new item is likely, or until ctx ends, and returns true.
	More(ctx context.Context) (bool, error)
	// Positions returns the positions behind the items that Next has returned
	// since the last call of Positions. There is one position for each stream
	// of the items.
	Positions() []Position
	// Close frees the resources of the reader.
	Close() error
}

// Committer is a [Reader] that cleans up published items, for example by
// deleting the rows of a queue.
type Committer interface {
	// Committed is called in two cases. After a commit, Committed gets the
	// positions of the transaction. After Open, Committed gets the positions
	// that Open got. An error is logged, and the source calls Committed again
	// after the next commit.
	Committed(ctx context.Context, positions []Position) error
}

// Lagger is a [Reader] that knows how much is left to read. [Source.Shards]
// calls Lag from another goroutine than the reader's. [Hooks] call Lag from the
// reader's goroutine.
type Lagger interface {
	Lag(ctx context.Context) (Lag, error)
}

// Lag is the unpublished rest of a shard.
type Lag struct {
	Items  int64         // -1 if the input cannot count the items
	Oldest time.Duration // the age of the oldest item, 0 if there is none
}

// Item is one item of an input.
type Item[T any] struct {
	Value T
	// Bytes is the size of the item. It counts toward the size of a
	// transaction.
	Bytes int
}

// Position is a place in a stream, behind an item.
type Position struct {
	// Stream names the stream. The name must stay the same after a restart. The
	// name may be empty if the input has only one stream.
	Stream string
	// Value is the place, in a format that the input chooses.
	Value string
}

// Shard is the part of an input that one reader reads. The input chooses the
// shard of each item, for example by the item's stream or key. Number is the
// index of the shard and Count is the number of shards.
type Shard struct {
	Number int // from 0
	Count  int // at least 1
}
