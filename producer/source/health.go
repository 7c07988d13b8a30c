package source

import (
	"context"
	"maps"
	"slices"
	"time"
)

// ShardHealth is the state of a shard that is assigned to this instance.
type ShardHealth struct {
	Shard int
	// Running is false after an error, during the pause before the next try.
	Running bool
	// Err is the last error. It becomes nil when a transaction is committed, or
	// when the input has no unpublished item.
	Err          error
	LastCommit   time.Time // the zero time before the first commit
	Transactions int64     // committed by this instance
	Items        int64     // in the committed transactions
	// Lag is the amount of input that is not published yet. Items is -1 if the
	// input does not know it.
	Lag Lag
}

// Health returns the state of the shards that are assigned to this instance,
// sorted by number. Health asks the input for the lag, within ctx.
func (s *Source[T]) Health(ctx context.Context) []ShardHealth {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.health))
	s.mu.Unlock()
	out := make([]ShardHealth, len(all))
	for i, h := range all {
		h.mu.Lock()
		out[i] = h.now
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
