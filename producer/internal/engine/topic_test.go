package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
)

// TestUnknownPartition checks the error of a message whose topic was created
// again with fewer partitions. The brokers have the topic then.
func TestUnknownPartition(t *testing.T) {
	t.Parallel()
	e := &Engine{config: &settings.Config{Brokers: []string{"b:1"}}}
	const smaller = `have no topic "t", or the topic has no partition 3 any more: `
	if err := e.unknownPartition("t", 3); !errors.Is(err, ErrUnknownTopic) || !strings.Contains(err.Error(), smaller) {
		t.Error(err)
	}
	if err := e.unknownTopic("t"); !strings.Contains(err.Error(), `have no topic "t": create it`) {
		t.Error(err)
	}
}

// TestUnknownCompactedTopic checks the command for a topic of positions. A
// source would refuse a topic that is not compacted.
func TestUnknownCompactedTopic(t *testing.T) {
	t.Parallel()
	e := &Engine{config: &settings.Config{Brokers: []string{"b:1"}, CompactedTopic: "positions"}}
	const compacted = "--config cleanup.policy=compact"
	if err := e.unknownTopic("positions"); !strings.Contains(err.Error(), "--partitions 6 "+compacted+")") {
		t.Error(err)
	}
	if err := e.unknownTopic("orders"); strings.Contains(err.Error(), compacted) {
		t.Error(err)
	}
}
