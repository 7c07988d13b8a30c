package producertest

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// listener is the listener of a node. The broker can close and reopen a
// listener, and sees the traffic.
type listener struct {
	broker *Broker
	addr   net.Addr

	mu     sync.Mutex
	real   net.Listener  // nil while the listener is down
	opened chan struct{} // closed when real is set, or after Close
	closed bool
	conns  map[*conn]struct{}
}

// listen gives kfake its listeners.
func (b *Broker) listen(network, address string) (net.Listener, error) {
	var lc net.ListenConfig
	real, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	l := &listener{broker: b, addr: real.Addr(), real: real, conns: map[*conn]struct{}{}}
	b.mu.Lock()
	b.listeners = append(b.listeners, l)
	b.mu.Unlock()
	return l, nil
}

func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		real, opened, closed := l.real, l.opened, l.closed
		l.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		if real == nil {
			<-opened
			continue
		}
		raw, err := real.Accept()
		if err != nil {
			l.mu.Lock()
			gone := l.real != real || l.closed
			l.mu.Unlock()
			if gone {
				continue
			}
			return nil, err
		}
		if l.broker.tls != nil {
			raw = tls.Server(raw, l.broker.tls)
		}
		c := &conn{Conn: raw, listener: l, asked: map[int32]Request{}}
		l.mu.Lock()
		shut := l.real != real || l.closed
		if !shut {
			l.conns[c] = struct{}{}
		}
		l.mu.Unlock()
		if shut { // the connection came just before the shutdown
			_ = raw.Close()
			continue
		}
		return c, nil
	}
}

// Close closes the listener forever.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.real == nil {
		close(l.opened)
		return nil
	}
	return l.real.Close()
}

func (l *listener) down() {
	l.mu.Lock()
	if l.real != nil && !l.closed {
		_ = l.real.Close()
		l.real, l.opened = nil, make(chan struct{})
	}
	l.mu.Unlock()
	l.cut()
}

// up reopens the listener at the same address. If another process has taken the
// port in the meantime, up tries again.
func (l *listener) up() {
	for {
		l.mu.Lock()
		if l.real != nil || l.closed {
			l.mu.Unlock()
			return
		}
		var lc net.ListenConfig
		real, err := lc.Listen(context.Background(), "tcp", l.addr.String())
		if err == nil {
			l.real = real
			close(l.opened)
		}
		l.mu.Unlock()
		if err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (l *listener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Conn.Close()
	}
}

// conn follows the framing of the protocol to match each answer with its
// request. A request begins with its size, key, version and correlation id. An
// answer begins with its size and the same correlation id.
type conn struct {
	net.Conn
	listener *listener

	header [12]byte
	have   int // of header
	skip   int // of the request's rest

	mu    sync.Mutex
	asked map[int32]Request
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.follow(p[:n])
	return n, err
}

func (c *conn) follow(p []byte) {
	for len(p) > 0 {
		if c.skip > 0 {
			n := min(c.skip, len(p))
			c.skip -= n
			p = p[n:]
			continue
		}
		n := copy(c.header[c.have:], p)
		c.have += n
		p = p[n:]
		if c.have < len(c.header) {
			return
		}
		c.have = 0
		c.skip = int(binary.BigEndian.Uint32(c.header[:])) - 8
		c.mu.Lock()
		c.asked[int32(binary.BigEndian.Uint32(c.header[8:]))] = Request(binary.BigEndian.Uint16(c.header[4:]))
		c.mu.Unlock()
	}
}

// Write writes a whole answer. Each answer is one call.
func (c *conn) Write(p []byte) (int, error) {
	if len(p) >= 8 {
		id := int32(binary.BigEndian.Uint32(p[4:]))
		c.mu.Lock()
		request, known := c.asked[id]
		delete(c.asked, id)
		c.mu.Unlock()
		if known {
			lost, delay := c.listener.broker.faultOf(request)
			if delay > 0 {
				time.Sleep(delay)
			}
			if lost {
				_ = c.Close()
				return 0, net.ErrClosed
			}
		}
	}
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
