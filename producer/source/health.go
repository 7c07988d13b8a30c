package source

import (
	"context"
	"slices"
	"time"
)

// ShardHealth tells how a shard is doing that this instance reads.
type ShardHealth struct {
	Shard   int
	Running bool
	// Err is the last error, and nil after a commit.
	Err          error
	LastCommit   time.Time // the zero time before the first
	Transactions int64     // committed by this instance
	Items        int64     // in them
	// Lag is what is left to read. Items is -1 if the input does not know.
	Lag Lag
}

// Health tells how the shards are doing that this instance reads, by number. It
// asks the input for its lag, within ctx.
func (s *Source[T]) Health(ctx context.Context) []ShardHealth {
	s.mu.Lock()
	all := make([]*shard[T], 0, len(s.shards))
	for _, h := range s.shards {
		all = append(all, h)
	}
	s.mu.Unlock()
	out := make([]ShardHealth, len(all))
	for i, h := range all {
		h.health.mu.Lock()
		out[i] = h.health.now
		lagger := h.health.lagger
		h.health.mu.Unlock()
		out[i].Shard = h.Number
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
