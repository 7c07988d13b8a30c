package source

import (
	"context"
	"slices"
	"time"
)

// ShardHealth is the state of a shard that this instance reads.
type ShardHealth struct {
	Shard   int
	Running bool
	// Err is the last error. A commit sets it to nil.
	Err          error
	LastCommit   time.Time // the zero time before the first commit
	Transactions int64     // committed by this instance
	Items        int64     // in the committed transactions
	// Lag is the amount of input that is not published yet. Items is -1 if the
	// input does not know it.
	Lag Lag
}

// Health returns the state of the shards that this instance reads, sorted by
// number. Health asks the input for the lag, within ctx.
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
