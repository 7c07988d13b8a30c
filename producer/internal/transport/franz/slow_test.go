package franz

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/producertest"
)

// slowConn writes with a limited rate.
type slowConn struct {
	net.Conn
	rate     int // bytes per second
	deadline atomic.Pointer[time.Time]
}

func (c *slowConn) SetWriteDeadline(t time.Time) error {
	c.deadline.Store(&t)
	return nil
}

func (c *slowConn) Write(b []byte) (int, error) {
	for n := 0; n < len(b); {
		if end := c.deadline.Load(); end != nil && !end.IsZero() && time.Now().After(*end) {
			return n, os.ErrDeadlineExceeded
		}
		part := min(c.rate/20, len(b)-n)
		time.Sleep(time.Second * time.Duration(part) / time.Duration(c.rate))
		if _, err := c.Conn.Write(b[n : n+part]); err != nil {
			return n, err
		}
		n += part
	}
	return len(b), nil
}

// TestSlowNetwork delivers messages over a network that does not carry all of
// them in one request.
func TestSlowNetwork(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 20 seconds, because kgo waits 10 seconds for a write")
	}
	const partitions, size, rate = 6, 700_000, 350_000
	b := producertest.Start(t, producertest.WithTopic("events", partitions))
	config := testConfig(t, b.Addrs(), "")
	h := &collector{all: make(chan struct{}), want: partitions}
	c, events := openTopic(t, config, config.BatchBytes, h, "events")
	k := c.(*client)
	fast := k.connect
	k.connect = func(ctx context.Context, network, address string) (net.Conn, error) {
		inner, err := fast(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &slowConn{Conn: inner, rate: rate}, nil
	}
	deliverEach(t, events, h, make([]byte, size))
	again := int64(0)
	for _, broker := range k.brokers.List() {
		again += broker.Traffic.Retries
	}
	if again == 0 {
		t.Error("the network carried everything in one request")
	}
}
