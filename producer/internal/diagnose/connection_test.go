package diagnose

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestAddressFix explains addresses of the settings and addresses that only the
// cluster names, in the texts of both client libraries.
func TestAddressFix(t *testing.T) {
	t.Parallel()
	c := &settings.Config{Brokers: []string{"kafka", "10.0.0.1:9093"}}
	for text, want := range map[string]string{
		"kafka:9092/bootstrap: Connect failed":                "bootstrap.servers",
		"ssl://10.0.0.1:9093/1: Connect failed":               "bootstrap.servers",
		"broker kafka:9092: unable to dial: refused":          "bootstrap.servers",
		"something else failed":                               "bootstrap.servers",
		"kafka-1.internal:9092/1: Failed to resolve":          "advertised.listeners",
		"broker kafka-1.internal:9092: unable to dial: dial…": "advertised.listeners",
	} {
		err := ExplainConnection(c, &transport.Error{Code: transport.Transport, Text: text})
		if err == nil || !strings.Contains(err.Fix, want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestLostLogin explains librdkafka's error for a connection that ended before
// librdkafka sent the credentials.
func TestLostLogin(t *testing.T) {
	t.Parallel()
	c := &settings.Config{SASL: &settings.Credentials{Mechanism: "OAUTHBEARER"}}
	for cause, want := range map[string]error{
		"Local: Broker transport failure":                   ErrUnreachable,
		"Local: Timed out":                                  ErrUnreachable,
		"Broker: Broker does not support this mechanism":    ErrAuthentication,
		"Broker: Request not valid in current SASL state":   ErrAuthentication,
		"Broker: Request is not valid in this SASL version": ErrAuthentication,
	} {
		text := "sasl_ssl://10.0.0.1:9093/1: SASL OAUTHBEARER mechanism handshake failed: " + cause + ": broker's supported mechanisms: (n/a)"
		err := ExplainConnection(c, &transport.Error{Code: transport.Authentication, Text: text})
		if err == nil || !errors.Is(err, want) || err.Broker != "10.0.0.1:9093" {
			t.Errorf("%s: %v, want %v", cause, err, want)
		}
	}
}

// TestSilentBroker probes brokers that stop answering, as an overloaded broker
// does. Such a broker has refused neither the certificate nor the login.
func TestSilentBroker(t *testing.T) {
	t.Parallel()
	plain := &settings.Credentials{Mechanism: "PLAIN", User: "bob", Password: "secret"}
	for name, test := range map[string]struct {
		answers int // the broker answers the first requests
		tls     *settings.TLS
		sasl    *settings.Credentials
	}{
		"in the TLS handshake": {0, &settings.TLS{}, nil},
		"at once":              {0, nil, nil},
		"to a clear client":    {1, nil, nil},
		"before the login":     {1, nil, plain},
		"in the login":         {2, nil, plain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			go answerSome(l, test.answers)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			err = Probe(ctx, &settings.Config{TLS: test.tls, SASL: test.sasl}, l.Addr().String())
			if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "does not answer") {
				t.Errorf("%v, want %v", err, ErrUnreachable)
			}
		})
	}
}

// answerSome accepts connections, answers the first requests of each, and then
// is silent.
func answerSome(l net.Listener, requests int) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			for range requests {
				head := make([]byte, 4)
				if _, err := io.ReadFull(conn, head); err != nil {
					return
				}
				request := make([]byte, binary.BigEndian.Uint32(head))
				if _, err := io.ReadFull(conn, request); err != nil {
					return
				}
				answer := binary.BigEndian.AppendUint32(nil, 10)
				answer = append(answer, request[4:8]...)  // the correlation id
				answer = append(answer, 0, 0, 0, 0, 0, 0) // no error, an empty list
				if _, err := conn.Write(answer); err != nil {
					return
				}
			}
			_, _ = io.Copy(io.Discard, conn)
		}()
	}
}
