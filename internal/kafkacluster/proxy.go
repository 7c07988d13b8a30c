package kafkacluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy stands between the clients and the PROXIED listeners, and drops
// answers. The broker has then applied a request, and the client does not know.
// Idempotence protects a producer from this fault.
type Proxy struct {
	listeners []net.Listener
	drop      atomic.Uint32 // share of dropped answers, in 1/10,000
	drops     atomic.Int64
	rnd       *rand.Rand

	mu      sync.Mutex
	conns   map[*connection]struct{}
	network Network
	closed  bool
	wg      sync.WaitGroup
}

// connection is one client's connection through the proxy.
type connection struct {
	client, broker net.Conn
	dropsAnswers   atomic.Bool // answers vanish
}

func (c *connection) close() { _, _ = c.client.Close(), c.broker.Close() }

// NewProxy listens on the addresses that c advertises. With the same seed, the
// proxy drops the same answers again, if the timing is the same.
func NewProxy(c *Cluster, seed uint64) (*Proxy, error) {
	p := &Proxy{rnd: rand.New(rand.NewPCG(seed, 0)), conns: map[*connection]struct{}{}}
	targets := c.ProxiedTargets()
	for i, addr := range c.ProxiedAddrs() {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("kafkacluster: proxy: %w", err)
		}
		p.listeners = append(p.listeners, l)
		p.wg.Go(func() { p.accept(l, targets[i]) })
	}
	return p, nil
}

// Drop sets the share of answers that the proxy drops from now on, from 0 to 1.
// When the proxy drops an answer, the proxy also closes the connection.
func (p *Proxy) Drop(share float64) { p.drop.Store(uint32(share * 10_000)) }

// Drops returns the number of dropped answers.
func (p *Proxy) Drops() int64 { return p.drops.Load() }

// Cut closes every open connection.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.close()
	}
}

// Close ends the proxy and waits for its goroutines.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for _, l := range p.listeners {
		_ = l.Close()
	}
	p.Cut()
	p.wg.Wait()
}

func (p *Proxy) accept(l net.Listener, target string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		broker, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &connection{client: client, broker: broker}
		p.mu.Lock()
		p.conns[c] = struct{}{}
		p.chooseFault(c)
		if p.closed { // Close may have called Cut before this connection was added
			c.close()
		}
		p.mu.Unlock()
		p.wg.Go(func() { p.pipe(c, broker, client, false) })
		p.wg.Go(func() { p.pipe(c, client, broker, true) })
	}
}

// pipe copies bytes until one end closes. pipe may drop, delay or swallow
// answers, and may delay requests.
func (p *Proxy) pipe(c *connection, to, from net.Conn, answers bool) {
	defer func() {
		c.close()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if answers && p.dropsNext() {
				p.drops.Add(1)
				return
			}
			time.Sleep(p.delay(n, answers))
			if !answers || !c.dropsAnswers.Load() {
				if _, err := to.Write(buf[:n]); err != nil {
					return
				}
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) dropsNext() bool {
	share := p.drop.Load()
	if share == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rnd.Uint32N(10_000) < share
}
