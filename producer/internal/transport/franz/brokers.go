package franz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// hooks report failed connections to the engine, and count kgo's traffic with
// each broker. A failed connection does not fail a message.
type hooks struct {
	config  *settings.Config
	handler transport.Handler
	brokers *transport.Brokers
}

var (
	_ kgo.HookBrokerConnect    = (*hooks)(nil)
	_ kgo.HookBrokerDisconnect = (*hooks)(nil)
	_ kgo.HookBrokerWrite      = (*hooks)(nil)
	_ kgo.HookBrokerE2E        = (*hooks)(nil)
	_ kgo.HookBrokerThrottle   = (*hooks)(nil)
)

func addressOf(m kgo.BrokerMetadata) string {
	return net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port)))
}

func (h *hooks) count(m kgo.BrokerMetadata, f func(t *transport.Traffic)) {
	h.brokers.Count(m.NodeID, addressOf(m), f)
}

// OnBrokerConnect implements kgo's hook.
func (h *hooks) OnBrokerConnect(m kgo.BrokerMetadata, _ time.Duration, c net.Conn, err error) {
	if err == nil {
		if c, ok := c.(*conn); ok {
			c.broker.Store(&m)
		}
		h.brokers.Set(m.NodeID, addressOf(m), transport.BrokerConnected, nil)
		h.count(m, func(t *transport.Traffic) { t.Connects++ })
		return
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	e := *convert(err)
	if e.Code == transport.Other { // the port speaks another protocol
		e.Code, e.Retriable = transport.Transport, true
	}
	e.Text = fmt.Sprintf("broker %s: %s", addressOf(m), h.config.Redact(e.Text))
	h.brokers.Set(m.NodeID, addressOf(m), transport.BrokerUnreachable, &e)
	if errors.Is(err, io.EOF) && h.config.SASL != nil {
		return // the wire has already reported the failed login
	}
	h.handler.Trouble(&e)
}

// OnBrokerDisconnect implements kgo's hook.
func (h *hooks) OnBrokerDisconnect(m kgo.BrokerMetadata, _ net.Conn) {
	h.brokers.Set(m.NodeID, addressOf(m), transport.BrokerLost, nil)
	h.count(m, func(t *transport.Traffic) {
		t.Disconnects++
		t.Waiting = 0
	})
}

// OnBrokerWrite implements kgo's hook.
func (h *hooks) OnBrokerWrite(m kgo.BrokerMetadata, _ int16, bytes int, _, _ time.Duration, err error) {
	h.count(m, func(t *transport.Traffic) {
		t.Requests++
		t.BytesSent += int64(bytes)
		if err == nil {
			t.Waiting++
		}
	})
}

// OnBrokerE2E implements kgo's hook.
func (h *hooks) OnBrokerE2E(m kgo.BrokerMetadata, _ int16, e kgo.BrokerE2E) {
	h.count(m, func(t *transport.Traffic) {
		if e.WriteErr == nil {
			t.Waiting = max(t.Waiting-1, 0)
		}
		if e.Err() != nil {
			t.Errors++
			if convert(e.Err()).Code == transport.TimedOut {
				t.Timeouts++
			}
			return
		}
		t.Responses++
		t.BytesReceived += int64(e.BytesRead)
		t.RoundTrip.Add(e.DurationE2E())
	})
}

// OnBrokerThrottle implements kgo's hook.
func (h *hooks) OnBrokerThrottle(m kgo.BrokerMetadata, d time.Duration, _ bool) {
	h.count(m, func(t *transport.Traffic) { t.Throttle.Add(d) })
}

// Brokers implements [transport.Client].
func (c *client) Brokers() *transport.Brokers { return &c.brokers }

const (
	// watchEvery is the interval of the checks for closed connections.
	watchEvery = time.Second
	// askAfter is the time without an answer of any broker after which an idle
	// client asks.
	askAfter = 10 * time.Second
	// askTimeout bounds the wait for the answer.
	askTimeout = 5 * time.Second
)

// watch notices that brokers have gone away while the client is idle. kgo reads
// a connection only while a request waits for its answer, so kgo itself notices
// a closed connection with the next request.
//
// After a connection has ended, watch asks the brokers for the list of brokers.
// If kgo cannot connect, a hook reports the trouble. watch also asks if no
// broker has answered for a while, because a lost network closes no connection.
// Without a message, kgo does not connect at all, so watch also asks once if
// the client has sent nothing in its first second.
func (c *client) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var responses int64
	answered := time.Now()
	for first := true; ; first = false {
		select {
		case <-tick.C:
		case <-c.alive.Done():
			return
		}
		var now, requests int64
		connected := false
		for _, b := range c.brokers.List() {
			now += b.Traffic.Responses
			requests += b.Traffic.Requests
			connected = connected || b.State == transport.BrokerConnected
		}
		if now != responses {
			responses, answered = now, time.Now()
		}
		unused := first && requests == 0
		if !c.lostConnections() && !unused && (!connected || time.Since(answered) < askAfter) {
			continue
		}
		ctx, cancel := context.WithTimeout(c.alive, askTimeout)
		err := c.Reach(ctx)
		cancel()
		answered = time.Now()
		var failed *transport.Error
		if errors.As(err, &failed) && c.alive.Err() == nil {
			c.handler.Trouble(&transport.Error{
				Code: transport.Transport, Retriable: true, Text: fmt.Sprintf("no broker answers within %v", askTimeout), Err: failed,
			})
		}
	}
}

// lostConnections reports whether a broker has closed a connection since the
// last call.
func (c *client) lostConnections() (lost bool) {
	c.wire.connections.Range(func(key, _ any) bool {
		conn := key.(*conn)
		if b := conn.broker.Load(); b != nil && ended(conn.Conn) {
			c.wire.connections.Delete(key)
			c.brokers.Set(b.NodeID, addressOf(*b), transport.BrokerLost, nil)
			lost = true
		}
		return true
	})
	return lost
}
