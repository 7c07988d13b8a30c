package transporttest

import (
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// testBrokers checks that the client's table of brokers follows the brokers,
// also while the client is idle, and that the table counts the traffic.
func testBrokers(t *testing.T, lib Library) {
	every := settings.Set("statistics", func(c *settings.Config) { c.Passed["statistics.interval.ms"] = "100" })
	t.Run("traffic", func(t *testing.T) {
		t.Parallel()
		b := embedded(t, producertest.WithTopic("topic", 3))
		s := open(t, lib, config(t, b.addrs, "", every))
		s.send(t, s.topic(t, "topic"), 3, 30)
		s.all(t, 30)
		var busy int
		s.until(t, "the traffic of the leaders", func() bool {
			busy = 0
			for _, r := range s.client.Brokers().List() {
				if r.ID < 0 || r.Address == "" || !r.Traffic.Known {
					continue
				}
				c := r.Traffic
				if c.Requests > 0 && c.Responses > 0 && c.BytesSent > 0 && c.BytesReceived > 0 && c.Connects > 0 && c.RoundTrip.Count > 0 && c.RoundTrip.Sum > 0 {
					busy++
				}
			}
			return busy > 0
		})
	})
	t.Run("all away and back", func(t *testing.T) {
		t.Parallel()
		if lib.NoFailureDetails {
			t.Skip("the library tells the state of a broker only through the plugin")
		}
		b := embedded(t, producertest.WithTopic("topic", 3))
		s := open(t, lib, config(t, b.addrs, ""))
		s.send(t, s.topic(t, "topic"), 3, 30)
		s.all(t, 30)
		s.until(t, "a connected broker", func() bool { return count(s, transport.BrokerConnected) > 0 })
		restart := b.inside.Stop()
		s.until(t, "trouble", func() bool { return len(s.trouble) > 0 })
		s.until(t, "no connected broker", func() bool { return count(s, transport.BrokerConnected) == 0 })
		restart()
		s.until(t, "a connected broker again", func() bool {
			_ = s.client.Reach(deadline(t))
			return count(s, transport.BrokerConnected) > 0
		})
	})
}

// count returns how many brokers are in a state.
func count(s *session, state transport.BrokerState) (n int) {
	for _, b := range s.client.Brokers().List() {
		if b.State == state {
			n++
		}
	}
	return n
}
