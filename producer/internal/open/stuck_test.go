//go:build cgo

package open

import (
	"fmt"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// TestStuck checks after how many statistics a consumer joins its group again.
func TestStuck(t *testing.T) {
	t.Parallel()
	topic := "events"
	assigned := []kafka.TopicPartition{{Topic: &topic, Partition: 0}, {Topic: &topic, Partition: 12}}
	stats := func(first, second string) string {
		return fmt.Sprintf(`{"topics": {"events": {"partitions": {"0": {"fetch_state": %q}, "12": {"fetch_state": %q}, "3": {"fetch_state": "none"}}}}}`, first, second)
	}
	var s stuck
	joins := func(n int, stats string, assigned []kafka.TopicPartition) (at []int) {
		for i := 1; i <= n; i++ {
			if s.check(stats, assigned) {
				at = append(at, i)
			}
		}
		return at
	}
	for _, step := range []struct {
		what     string
		stats    string
		assigned []kafka.TopicPartition
		n        int
		want     string
	}{
		{"reading", stats("active", "offset-query"), assigned, 10, "[]"},
		{"one is stuck", stats("active", "none"), assigned, 15, "[2 6 14]"},
		{"no assignment during the join", stats("none", "none"), nil, 3, "[]"},
		{"still stuck", stats("stopped", "active"), assigned, 17, "[16]"},
		{"reading again", stats("active", "active"), assigned, 1, "[]"},
		{"stuck anew", stats("active", "none"), assigned, 3, "[2]"},
		{"not JSON", "{", assigned, 5, "[]"},
		{"an unknown topic", `{"topics": {}}`, assigned, 5, "[]"},
	} {
		if got := fmt.Sprint(joins(step.n, step.stats, step.assigned)); got != step.want {
			t.Errorf("%s: joins after %s, want %s", step.what, got, step.want)
		}
	}
}
