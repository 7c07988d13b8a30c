package open

import (
	"fmt"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestCloseDuringRebalance closes consumers at different moments of a
// rebalance. Close always returns. librdkafka alone never returns if an
// assignment waits (its issue 4884).
func TestCloseDuringRebalance(t *testing.T) {
	t.Parallel()
	for _, protocol := range []transport.Protocol{transport.ConsumerProtocol, transport.ClassicProtocol} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			b := producertest.Start(t, producertest.WithTopic("events", 6))
			for i := range 12 {
				c, err := settings.New(settings.ForProcessor, b.Addrs(), "id", nil)
				if err != nil {
					t.Fatal(err)
				}
				in, err := Consumer(c, transport.Group{ID: fmt.Sprint("group-", i/6), Protocol: protocol, Topics: []string{"events"}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				// Without a poll, the assignment waits in the library.
				time.Sleep(time.Duration(i%6) * 150 * time.Millisecond)
				for range i / 6 {
					if _, err := in.Poll(t.Context(), 20*time.Millisecond); err != nil {
						t.Fatal(err)
					}
				}
				if err := in.Close(); err != nil {
					t.Errorf("close after %d polls: %v", i/6, err)
				}
			}
		})
	}
}
