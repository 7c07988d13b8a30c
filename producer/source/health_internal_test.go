package source

import (
	"errors"
	"testing"
	"time"

	"github.com/avroline/avroline/producer"
)

// TestHealth checks how the states of several shards become one health.
func TestHealth(t *testing.T) {
	t.Parallel()
	now := time.Now()
	bad := errors.New("the database is away")
	running := &shardHealth{number: 0, now: ShardHealth{Running: true}, started: now.Add(-time.Hour)}
	// at makes a shard that has met an error and is trying again.
	at := func(number int, running bool, since time.Duration, err error) *shardHealth {
		return &shardHealth{number: number, now: ShardHealth{Running: running, Err: err}, failing: now.Add(-since), stopped: now.Add(-since)}
	}
	for _, tc := range []struct {
		name             string
		single           bool
		shards           []*shardHealth
		ended            error
		reason, degraded error // nil: none
		dead             bool
		since            time.Duration // how long ago; 0 is not checked
	}{
		{name: "no shard: stands by", since: 2 * time.Hour},
		{name: "all run", shards: []*shardHealth{running}, since: time.Hour},
		{name: "a shard met an error just now", shards: []*shardHealth{running, at(1, true, time.Second, bad)}, degraded: bad},
		{name: "the only shard met an error just now", shards: []*shardHealth{at(0, true, time.Second, bad)}, degraded: bad},
		{name: "the only shard fails for a minute", shards: []*shardHealth{at(0, true, time.Minute, bad)}, reason: bad, since: 50 * time.Second},
		{name: "one of two shards fails for a minute", shards: []*shardHealth{running, at(1, true, time.Minute, bad)}, degraded: bad, since: time.Hour},
		{name: "all shards have stopped", shards: []*shardHealth{at(0, false, time.Minute, bad), at(1, false, time.Second, bad)}, reason: bad, since: time.Second},
		{name: "a fenced shard starts again", shards: []*shardHealth{at(0, false, time.Second, producer.ErrFenced)}, reason: errors.New("any")},
		{name: "the only shard was fenced", single: true, shards: []*shardHealth{at(0, false, time.Second, producer.ErrFenced)}, reason: producer.ErrFenced, dead: true},
		{name: "Run has ended", shards: []*shardHealth{running}, ended: bad, reason: bad},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := &Source[string]{name: "files", since: now.Add(-2 * time.Hour), ended: tc.ended, health: map[int]*shardHealth{}}
			if !tc.single {
				s.config.shards = 8
			}
			for _, h := range tc.shards {
				s.health[h.number] = h
			}
			h := s.healthAt(now)
			if h.Ready != (tc.reason == nil) || (h.Reason == nil) != (tc.reason == nil) || (h.Degraded == nil) != (tc.degraded == nil) {
				t.Fatalf("%+v", h)
			}
			for _, want := range []struct{ got, want error }{{h.Reason, tc.reason}, {h.Degraded, tc.degraded}} {
				if want.want != nil && want.want.Error() != "any" && !errors.Is(want.got, want.want) {
					t.Errorf("%v, want %v", want.got, want.want)
				}
			}
			if dead := errors.Is(h.Reason, producer.ErrFenced); dead != tc.dead {
				t.Errorf("dead %v: %v", dead, h.Reason)
			}
			if got := now.Sub(h.Since); tc.since != 0 && got != tc.since {
				t.Errorf("since %v, want %v", got, tc.since)
			}
		})
	}
}
