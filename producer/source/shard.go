package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/hook"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/open"
	"github.com/avroline/avroline/serde"
)

// shard reads one shard in transactions. shard is the [producer.Resolver] of
// the transactional producer. A commit in doubt succeeded if the position of
// the transaction is in the log.
type shard[T any] struct {
	Shard
	source *Source[T]
	t      *producer.Transactional
	writer uuid.UUID // the id of this run, in position records

	// Only the goroutine of run uses the fields below.
	loaded      bool
	committed   committedPositions // the committed positions of this shard, as far as we know
	restart     bool               // the next transaction replaces the committed positions
	otherShards committedPositions // the positions of the other shards, as last read
	pending     committedPositions // the positions of the open transaction
	reader      Reader[T]          // nil if closed
	lastLag     time.Time          // the last measurement of the lag
	lag         int64              // the items of the last measurement
	limit       int                // the current bound on the items of a transaction
	refused     error              // why the next item goes to the bad function

	health *shardHealth // exists longer than the shard, so that the last error stays visible
}

// errPositionsMoved says that the log has positions that the reader did not get
// at Open.
var errPositionsMoved = errors.New("other positions were committed: read from there")

// Resume is called by the producer each time it has acquired the transactional
// id, before it writes anything. Resume reads the positions from the log,
// because another process may have worked in between. Our positions in memory
// are then outdated.
func (h *shard[T]) Resume(ctx context.Context, inDoubt bool) (committed bool, err error) {
	all, err := h.readPositions(ctx)
	if err != nil {
		return false, err
	}
	found := all.ofShard(h.Number)
	if inDoubt {
		committed = maps.Equal(found, h.afterCommit())
	}
	moved := !committed && h.loaded && !maps.Equal(found, h.committed)
	h.otherShards = all
	h.committed, h.loaded = found, true
	if moved && !inDoubt && h.reader != nil {
		return false, errPositionsMoved
	}
	return committed, nil
}

// unknownTopicPatience is the time in which the topic of positions may be
// unknown after the shard has read the topic. A broker that has just started
// may not know a topic yet.
const unknownTopicPatience = 30 * time.Second

// readPositions returns the positions of all shards.
func (h *shard[T]) readPositions(ctx context.Context) (committedPositions, error) {
	for end := time.Now().Add(unknownTopicPatience); ; {
		all, err := h.source.positions.read(ctx, h.source.settings, h.Count, h.health.setTrouble)
		if !errors.Is(err, producer.ErrUnknownTopic) || !h.loaded || time.Now().After(end) {
			return all, err
		}
		pause := time.NewTimer(h.source.settings.RetryBackoff)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// afterCommit returns the positions in the log after the commit of the open
// transaction.
func (h *shard[T]) afterCommit() committedPositions {
	after := committedPositions{}
	if !h.restart {
		maps.Copy(after, h.committed)
	}
	maps.Copy(after, h.pending)
	return after
}

// takenOver reports whether another process has committed positions of the
// shard since our last commit. takenOver reads the log without acquiring the
// transactional id, because acquiring the id would fence the other process.
func (h *shard[T]) takenOver(ctx context.Context) (bool, error) {
	all, err := h.source.positions.read(ctx, h.source.settings, h.Count, nil)
	if err != nil {
		return false, err
	}
	for stream, at := range all.ofShard(h.Number) {
		if before, ok := h.committed[stream]; (!ok || before != at) && at.writer != h.writer {
			return true, nil
		}
	}
	return false, nil
}

// run reads until the end of the shard. An error of run is permanent.
func (h *shard[T]) run(ctx context.Context) (err error) {
	h.health.set(func(s *ShardHealth) { s.Running = true })
	h.callHooks("Started", func(k *Hooks) {
		if k.Started != nil {
			k.Started(ctx, h.Number)
		}
	})
	defer func() {
		told := err
		if ctx.Err() != nil && !errors.Is(err, producer.ErrFenced) {
			told = nil
		}
		h.health.set(func(s *ShardHealth) { s.Running, s.Err = false, told })
		h.callHooks("Stopped", func(k *Hooks) {
			if k.Stopped != nil {
				k.Stopped(ctx, h.Number, told)
			}
		})
	}()
	pause := h.source.settings.RetryBackoff
	for {
		before := h.health.get().Transactions
		err := h.session(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || !isRetriable(err) {
			return err
		}
		if h.health.get().Transactions > before {
			pause = h.source.settings.RetryBackoff
		}
		h.source.settings.LogAgain(ctx, pause, "source_again", "source", h.source.name, "shard", h.Number, "err", err)
		h.health.set(func(s *ShardHealth) { s.Err = err })
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
			pause = min(2*pause, h.source.settings.RetryBackoffMax)
		case <-ctx.Done():
			wait.Stop()
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		if !h.loaded {
			continue
		}
		// A transaction also times out if another process has taken over. The
		// positions in the log distinguish a takeover from a slow transaction
		// of ours.
		h.health.setWait("the positions")
		took, failed := h.takenOver(ctx)
		h.health.setWait("")
		if failed == nil && took {
			return fmt.Errorf("%w: another process has committed positions of this source: %w", producer.ErrFenced, err)
		}
	}
}

// isRetriable reports whether a new session may succeed after an error.
func isRetriable(err error) bool {
	var failed *producer.TxError
	switch {
	case errors.Is(err, producer.ErrFenced), errors.Is(err, producer.ErrClosed), errors.Is(err, producer.ErrOutcomeUnknown):
		return false
	case errors.As(err, new(temporaryError)), errors.As(err, new(refusedError)), errors.Is(err, errPositionsMoved), errors.Is(err, producer.ErrTxTimedOut), errors.Is(err, serde.ErrRegistry),
		errors.Is(err, producer.ErrWouldBlock): // the buffer is full
		return true
	}
	return errors.As(err, &failed) && failed.Retriable
}

// session reads from the committed positions until an error occurs.
func (h *shard[T]) session(ctx context.Context) error {
	h.health.setWait("the transactional id and the positions")
	err := h.t.Prepare(ctx) // acquires the transactional id if necessary, and then calls Resume
	h.health.setWait("")
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) { // no broker has answered for a minute
			return Temporary(err)
		}
		return err
	}
	from := h.otherShards
	if from == nil {
		from = committedPositions{}
	}
	maps.DeleteFunc(from, func(_ string, at committedPosition) bool { return at.shard == h.Number })
	maps.Copy(from, h.committed)
	if h.restart {
		from = committedPositions{}
	}
	h.health.setWait("the input to open")
	reader, err := h.source.input.Open(ctx, h.Shard, from.list())
	h.health.setWait("")
	if err != nil {
		return err
	}
	h.reader = reader
	h.health.setReader(reader)
	defer func() {
		h.reader = nil
		h.health.setReader(nil)
		if err := reader.Close(); err != nil {
			h.source.settings.Logger.WarnContext(ctx, "source_close", "source", h.source.name, "shard", h.Number, "err", err)
		}
	}()
	h.reportCommitted(ctx, h.committed.list())
	h.reportLag(ctx)
	for {
		var item Item[T]
		h.health.setWait("the next item of the input")
		ok, err := reader.Next(ctx, &item)
		h.health.setWait("")
		if err != nil {
			return err
		}
		if !ok {
			h.health.set(func(s *ShardHealth) { s.Err = nil }) // everything is published
			if h.lag != 0 {
				h.lastLag = time.Time{}
				h.reportLag(ctx)
			}
			more, err := reader.More(ctx)
			switch {
			case err != nil:
				return err
			case !more:
				return nil
			case ctx.Err() != nil:
				return context.Cause(ctx)
			}
			continue
		}
		if err := h.transaction(ctx, &item); err != nil {
			return err
		}
	}
}

// itemWithOrigin is an item that knows its place in the input.
type itemWithOrigin interface{ Where() string }

// refusedError says that a broker refused an item of the transaction. isolate
// has not found the item yet.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// isolate searches for the item whose message a broker refuses because of its
// content. isolate halves the transactions until a transaction has only the
// refused item.
func (h *shard[T]) isolate(err error, items int, first T) error {
	switch {
	case items > 1:
		h.limit = items / 2
		return refusedError{err}
	case h.source.badFunction == nil || h.refused != nil: // the broker also refused the message of the bad function
		return withOrigin(first, err)
	}
	h.refused = err
	return refusedError{err}
}

// withOrigin adds the item's place to an error, if the item knows the place.
func withOrigin(item any, err error) error {
	if at, ok := item.(itemWithOrigin); ok {
		return fmt.Errorf("%s: %w", at.Where(), err)
	}
	return err
}

// transaction publishes items. The caller has already read the first item.
func (h *shard[T]) transaction(ctx context.Context, item *Item[T]) (err error) {
	c := &h.source.config
	h.callHooks("StartTransaction", func(k *Hooks) {
		if k.StartTransaction != nil {
			if child := k.StartTransaction(ctx, h.Number); child != nil {
				ctx = child
			}
		}
	})
	committed := false
	defer func() {
		h.health.setWait("") // also after a panic
		if committed {
			return
		}
		aborted := err
		if aborted == nil {
			aborted = errPanicked
		}
		h.callHooks("Aborted", func(k *Hooks) {
			if k.Aborted != nil {
				k.Aborted(ctx, h.Number, aborted)
			}
		})
	}()
	begun := time.Now()
	n, bytes := 0, 0
	h.pending = committedPositions{}
	if h.limit == 0 {
		h.limit = c.items
	}
	first := item.Value
	h.health.setLongWait("the items of a transaction", h.source.settings.TransactionTimeout)
	err = h.t.InTxOnce(ctx, func(tx *producer.Tx) error {
		for {
			n++
			var err error
			if h.refused != nil {
				err = h.source.badFunction(ctx, tx, item.Value, h.refused)
			} else {
				err = h.source.function(ctx, tx, item.Value)
			}
			if err != nil {
				return withOrigin(item.Value, err)
			}
			bytes += item.Bytes
			// Reading the clock costs as much as a small item. So the clock is
			// not read for each item.
			if n >= h.limit || bytes >= c.bytes || (n < 16 || n%16 == 0) && time.Since(begun) >= c.time {
				break
			}
			if ok, err := h.reader.Next(ctx, item); err != nil {
				return err
			} else if !ok {
				break
			}
		}
		if err := h.writePositions(ctx, tx); err != nil {
			return err
		}
		h.health.setWait("the commit")
		return nil
	})
	h.health.setWait("")
	switch {
	case err == nil:
	case open.IsRefusal(err) && !errors.Is(err, producer.ErrOutcomeUnknown):
		return h.isolate(err, n, first)
	default:
		return err
	}
	h.limit, h.refused = min(2*h.limit, c.items), nil
	h.committed, h.restart, committed = h.afterCommit(), false, true
	commit := Commit{Shard: h.Number, Items: n, Bytes: bytes, Took: time.Since(begun), Positions: h.pending.list()}
	h.health.set(func(s *ShardHealth) {
		s.Transactions++
		s.Items += int64(n)
		s.LastCommit, s.Err = time.Now(), nil
	})
	h.callHooks("Committed", func(k *Hooks) {
		if k.Committed != nil {
			k.Committed(ctx, commit)
		}
	})
	h.reportLag(ctx)
	h.reportCommitted(ctx, h.pending.list())
	return nil
}

// writePositions adds the positions behind the items to the transaction.
func (h *shard[T]) writePositions(ctx context.Context, tx *producer.Tx) error {
	for _, p := range h.reader.Positions() {
		h.pending[p.Stream] = committedPosition{value: p.Value, shard: h.Number, writer: h.writer}
		if err := h.source.positions.write(ctx, tx, h.record(p)); err != nil {
			return fmt.Errorf("position of %s: %w", p.Stream, err)
		}
	}
	if !h.restart {
		return nil
	}
	for stream := range h.committed {
		if _, ok := h.pending[stream]; ok {
			continue
		}
		if err := h.source.positions.remove(ctx, tx, stream, h.Number); err != nil {
			return fmt.Errorf("position of %s: %w", stream, err)
		}
	}
	return nil
}

// reportCommitted tells the reader which positions are committed.
func (h *shard[T]) reportCommitted(ctx context.Context, positions []Position) {
	committer, ok := h.reader.(Committer)
	if !ok || len(positions) == 0 {
		return
	}
	h.health.setWait("the input after a commit")
	err := committer.Committed(ctx, positions)
	h.health.setWait("")
	if err != nil && ctx.Err() == nil {
		h.source.settings.Logger.WarnContext(ctx, "source_cleanup", "source", h.source.name, "shard", h.Number, "err", err)
	}
}

// callHooks calls f for all hooks. The parameter name is for the log.
func (h *shard[T]) callHooks(name string, f func(*Hooks)) {
	for i := range h.source.config.hooks {
		func() {
			defer hook.Recover(h.source.settings.Logger, "source.Hooks."+name)
			f(&h.source.config.hooks[i])
		}()
	}
}

// errPanicked aborts a transaction if the source's function panics.
var errPanicked = errors.New("source: the function panicked")

const (
	lagInterval = 10 * time.Second
	// lagTimeout bounds a measurement, because the shard waits for it.
	lagTimeout = time.Second
)

// reportLag reports the lag to the hooks from time to time.
func (h *shard[T]) reportLag(ctx context.Context) {
	lagger, ok := h.reader.(Lagger)
	if !ok || !slices.ContainsFunc(h.source.config.hooks, func(k Hooks) bool { return k.Lag != nil }) || time.Since(h.lastLag) < lagInterval {
		return
	}
	h.lastLag = time.Now()
	short, cancel := context.WithTimeout(ctx, lagTimeout)
	defer cancel()
	lag, err := lagger.Lag(short)
	if err != nil {
		return
	}
	h.lag = lag.Items
	h.callHooks("Lag", func(k *Hooks) {
		if k.Lag != nil {
			k.Lag(ctx, h.Number, lag)
		}
	})
}
