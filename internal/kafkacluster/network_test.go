package kafkacluster

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// echo starts a proxy in front of a server that sends back all bytes.
func echo(t *testing.T) (p *Proxy, dial func() (net.Conn, error)) {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	server, front := listen(), listen()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	p = &Proxy{rnd: rand.New(rand.NewPCG(1, 0)), conns: map[*connection]struct{}{}, listeners: []net.Listener{front}}
	p.wg.Go(func() { p.accept(front, server.Addr().String()) })
	t.Cleanup(p.Close)
	return p, func() (net.Conn, error) {
		c, err := net.Dial("tcp", front.Addr().String())
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, c.SetDeadline(time.Now().Add(10 * time.Second))
	}
}

// roundTrip sends n bytes and reads them back.
func roundTrip(c net.Conn, n int) error {
	if _, err := c.Write(make([]byte, n)); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, n))
	return err
}

// TestNetwork checks each fault of a network, on open and on new connections. A
// network without faults changes nothing.
func TestNetwork(t *testing.T) {
	t.Parallel()
	p, dial := echo(t)
	onNew := func(n int) error { // a new connection may be reset before dial returns
		c, err := dial()
		if err == nil {
			err = roundTrip(c, n)
		}
		return err
	}
	open, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	if err := roundTrip(open, 1000); err != nil {
		t.Fatal(err)
	}
	p.SetNetwork(Network{Latency: 20 * time.Millisecond, Jitter: 10 * time.Millisecond})
	if d := p.delay(2000, true); d < 10*time.Millisecond || d > 30*time.Millisecond || p.delay(2000, false) != 0 {
		t.Errorf("slow: an answer is delayed by %v, a request by %v", d, p.delay(2000, false))
	}
	p.SetNetwork(Network{Rate: 100_000})
	if d := p.delay(2000, false); d != 20*time.Millisecond || p.delay(2000, true) != 0 {
		t.Errorf("narrow: a request takes %v, an answer %v", d, p.delay(2000, true))
	}
	if err := errors.Join(roundTrip(open, 2000), onNew(2000)); err != nil {
		t.Errorf("narrow: %v", err)
	}
	p.SetNetwork(Network{Swallow: 1})
	_ = open.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if err := roundTrip(open, 1000); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("swallowed: %v", err)
	}
	p.SetNetwork(Network{Reset: 1})
	if err := onNew(1000); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("reset: %v", err)
	}
	p.SetNetwork(Network{})
	if err := onNew(100_000); err != nil {
		t.Errorf("good again: %v", err)
	}
}
