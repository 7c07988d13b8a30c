package open

import (
	"fmt"
	"sync"
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
			var all sync.WaitGroup
			for i := range 60 {
				all.Go(func() {
					c, err := settings.New(settings.ForProcessor, b.Addrs(), "id", nil)
					if err != nil {
						t.Error(err)
						return
					}
					in, err := Consumer(c, transport.Group{ID: fmt.Sprint("group-", i), Protocol: protocol, Topics: []string{"events"}}, nil)
					if err != nil {
						t.Error(err)
						return
					}
					// Without a poll, the assignment waits in the library.
					time.Sleep(time.Duration(i/2) * 50 * time.Millisecond)
					if i%2 == 1 {
						if _, err := in.Poll(t.Context(), time.Millisecond); err != nil {
							t.Error(err)
						}
					}
					if err := in.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
			}
			all.Wait()
		})
	}
}
