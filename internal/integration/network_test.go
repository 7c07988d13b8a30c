//go:build integration

package integration

import (
	"context"
	"time"

	"github.com/avroline/avroline/internal/kafkacluster"
)

// sick goes through four phases of a bad network. Answers are slow, then
// requests are slow, then connections are reset, then answers vanish.
func sick(ctx context.Context, s *stage) error {
	for _, phase := range []struct {
		network kafkacluster.Network
		hold    time.Duration
	}{
		{kafkacluster.Network{Latency: 120 * time.Millisecond, Jitter: 100 * time.Millisecond}, 4 * time.Second},
		{kafkacluster.Network{Rate: 60_000}, 3 * time.Second},
		{kafkacluster.Network{Reset: 0.3, ResetAfter: 50 * time.Millisecond}, 3 * time.Second},
		{kafkacluster.Network{Swallow: 0.5}, 4 * time.Second},
	} {
		s.proxy.SetNetwork(phase.network)
		pause(ctx, phase.hold)
	}
	s.proxy.SetNetwork(kafkacluster.Network{})
	return nil
}
