package franz

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// refusedConn is a connection whose broker refuses the client's certificate.
type refusedConn struct{ net.Conn }

func (refusedConn) Read([]byte) (int, error) {
	return 0, &net.OpError{Op: "remote error", Err: tls.AlertError(42)}
}

// webConn is a connection to a server of another protocol.
type webConn struct{ net.Conn }

func (webConn) Read(b []byte) (int, error) { return copy(b, "HTTP/1.1 400 Bad Request"), nil }

// TestLoginFails refuses the new connections for a while. Some brokers get
// their first message meanwhile. kgo keeps every message. If kgo gave up a
// message, a later message could overtake it.
func TestLoginFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code    int16
		request int16
		refuse  func(net.Conn) (net.Conn, error) // changes a new connection
	}{
		"mechanism":          {code: kerr.UnsupportedSaslMechanism.Code, request: keySASLHandshake},
		"state":              {code: kerr.IllegalSaslState.Code, request: keySASLHandshake},
		"credentials":        {code: kerr.SaslAuthenticationFailed.Code, request: keySASLAuthenticate},
		"certificate":        {refuse: func(c net.Conn) (net.Conn, error) { _ = c.Close(); return nil, x509.UnknownAuthorityError{} }},
		"client certificate": {refuse: func(c net.Conn) (net.Conn, error) { return refusedConn{c}, nil }},
		"no broker":          {refuse: func(c net.Conn) (net.Conn, error) { return webConn{c}, nil }},
	} {
		for _, published := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, after a message %t", name, published), func(t *testing.T) {
				t.Parallel()
				b := producertest.Start(t, producertest.WithUser("PLAIN", "ada", "secret"), producertest.WithTopic("events", 6), producertest.WithBrokers(3))
				config := testConfig(t, b.Addrs(), "")
				config.SASL = &settings.Credentials{Mechanism: "PLAIN", User: "ada", Password: "secret"}
				config.RetryBackoff, config.RetryBackoffMax, config.MetadataMaxAge = 10*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
				h := &collector{all: make(chan struct{}), want: 1}
				opened, events := openTopic(t, config, config.BatchBytes, h, "events")
				client := opened.(*client)
				var refusedDials atomic.Int64
				var refuses atomic.Bool
				connect := client.connect
				client.connect = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := connect(ctx, network, address)
					if err == nil && refuses.Load() {
						refusedDials.Add(1)
						return c.refuse(conn)
					}
					return conn, err
				}
				send := func(token int) {
					t.Helper()
					if err := events.Produce(int32(token%6), &transport.Message{Value: []byte("v")}, transport.Token(token)); err != nil {
						t.Fatal(err)
					}
				}
				first := 0
				if published {
					send(0)
					<-h.all
					first = 1
				}
				h.Lock()
				h.want, h.all = first+10, make(chan struct{})
				h.Unlock()
				hits, end := refusedDials.Load, func() { refuses.Store(false) }
				if c.refuse != nil {
					refuses.Store(true)
				} else {
					refused := b.Refuse(c.code, 1, 1, producertest.Request(c.request))
					hits, end = func() int64 { return int64(refused.Hits()) }, refused.Stop
				}
				b.Cut()
				for token := first; token < h.want; token++ {
					send(token)
				}
				for hits() < 12 {
					time.Sleep(time.Millisecond)
				}
				end()
				<-h.all
				for _, o := range h.outcomes {
					if o.Persistence != transport.Persisted {
						t.Errorf("outcome: %+v", o)
					}
				}
			})
		}
	}
}
