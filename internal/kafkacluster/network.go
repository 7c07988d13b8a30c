package kafkacluster

import (
	"net"
	"time"
)

// Network describes the faults of the network between clients and brokers. The
// zero Network has no faults.
type Network struct {
	// Latency delays every answer. Jitter is the largest deviation from
	// Latency.
	Latency, Jitter time.Duration
	// Rate limits the requests of one connection, in bytes per second. 0 means
	// no limit.
	Rate int
	// Reset is the share of connections that are reset after ResetAfter, from 0
	// to 1.
	Reset      float64
	ResetAfter time.Duration
	// Swallow is the share of connections whose answers vanish. Such a
	// connection stays open until the network changes.
	Swallow float64
}

// SetNetwork changes the network for open and for new connections.
func (p *Proxy) SetNetwork(n Network) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.network = n
	for c := range p.conns {
		if c.dropsAnswers.Load() { // close, because the next answers are unreadable without the lost bytes
			c.close()
			continue
		}
		p.chooseFault(c)
	}
}

// chooseFault decides at random whether a connection is reset or loses its
// answers. The caller holds p.mu.
func (p *Proxy) chooseFault(c *connection) {
	if p.rnd.Float64() < p.network.Reset {
		time.AfterFunc(p.network.ResetAfter, func() {
			if tcp, ok := c.client.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // close sends RST
			}
			c.close()
		})
	}
	c.dropsAnswers.Store(p.rnd.Float64() < p.network.Swallow)
}

// delay returns the time that the next n bytes of a connection take.
func (p *Proxy) delay(n int, answers bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case answers && p.network.Latency > 0:
		jitter := time.Duration((2*p.rnd.Float64() - 1) * float64(p.network.Jitter))
		return max(0, p.network.Latency+jitter)
	case !answers && p.network.Rate > 0:
		return time.Duration(n) * time.Second / time.Duration(p.network.Rate)
	}
	return 0
}
