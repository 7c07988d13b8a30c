// Package diagnose finds out why a client cannot use a broker, and gives
// advice.
package diagnose

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// Reasons in a [*ConnectionError] why a client cannot use a broker.
var (
	// ErrUnreachable says that no connection to the broker was possible, or
	// that the server at the address is not a broker.
	ErrUnreachable = errors.New("producer: broker unreachable")
	// ErrTLS says that the broker or the client does not trust the other's
	// certificate, or that only one of them uses TLS.
	ErrTLS = errors.New("producer: tls")
	// ErrAuthentication says that the broker refuses the credentials, or does
	// not offer the mechanism.
	ErrAuthentication = errors.New("producer: authentication")
)

// ConnectionError says why the client cannot use a broker. The client library
// repeats the attempt without end, and no message fails because of a
// ConnectionError. So the producer keeps the newest ConnectionError. The errors
// of Prepare, of Close and of a wait that has ended wrap the newest
// ConnectionError.
type ConnectionError struct {
	Kind   error  // ErrUnreachable, ErrTLS or ErrAuthentication
	Broker string // host:port; empty if the client does not name the broker
	Err    error  // the cause, such as an error of the client library or a *net.OpError
	Fix    string // a hint for the fix
}

func (e *ConnectionError) Error() string {
	s := e.Kind.Error()
	if e.Broker != "" {
		s += ": broker " + e.Broker
	}
	s += ": " + e.Err.Error()
	if e.Fix != "" {
		s += ": " + e.Fix
	}
	return s
}

// Unwrap returns the kind and the cause.
func (e *ConnectionError) Unwrap() []error { return []error{e.Kind, e.Err} }

// ExplainConnection explains an error event of the client. For other events
// ExplainConnection returns nil. Some errors differ only in their text.
// ExplainConnection is the only function that parses the text.
func ExplainConnection(c *settings.Config, event *transport.Error) *ConnectionError {
	text := event.Text
	broker, _, ok := strings.Cut(text, "/")
	if i := strings.Index(text, "://"); i >= 0 {
		broker, _, ok = strings.Cut(text[i+3:], "/")
	}
	if !ok || strings.ContainsAny(broker, " ") {
		broker = ""
	}
	switch {
	case event.Code == transport.Authentication && strings.Contains(text, "handshake failed: Local: "):
		// librdkafka has sent no credentials yet.
		return &ConnectionError{ErrUnreachable, broker, event, "the connection ended before the login: does the broker run?"}
	case event.Code == transport.Authentication:
		return &ConnectionError{ErrAuthentication, broker, event, saslFix(c)}
	case event.Code == transport.Certificate:
		fix := handshakeFix(event)
		if fix == "" { // librdkafka says only "verify failed"
			fix = tlsFix(c)
		}
		return &ConnectionError{ErrTLS, broker, event, fix}
	case event.Code == transport.Transport:
		named := broker
		if rest, ok := strings.CutPrefix(text, "broker "); ok { // the transport franz
			named, _, _ = strings.Cut(rest, ": ")
		}
		return &ConnectionError{ErrUnreachable, broker, event, addressFix(c, named)}
	}
	return nil
}

// addressFix returns a hint for an address that cannot be reached. The settings
// name some addresses, and the cluster names the others.
func addressFix(c *settings.Config, broker string) string {
	if broker != "" && !slices.ContainsFunc(c.Brokers, func(known string) bool { return withPort(known) == broker }) {
		return "the cluster names this address: does the broker run, and can its advertised.listeners be reached from here?"
	}
	return "look at brokers (bootstrap.servers)"
}

// withPort returns an address with the port, which has a default.
func withPort(broker string) string {
	if _, _, err := net.SplitHostPort(broker); err != nil {
		return net.JoinHostPort(broker, "9092")
	}
	return broker
}

func tlsFix(c *settings.Config) string {
	const fix = "look at WithTLS: CA, client certificate, and the broker's own certificate"
	if c.TLS == nil || len(c.TLS.Cert) == 0 {
		return fix
	}
	return fix + "; " + settings.ClientCertificateFix(c.TLS)
}

func saslFix(c *settings.Config) string {
	if c.SASL == nil {
		return "look at WithSASL"
	}
	if c.SASL.User == "" {
		return fmt.Sprintf("look at WithSASL, mechanism %s", c.SASL.Mechanism)
	}
	return fmt.Sprintf("look at WithSASL, mechanism %s, user %q", c.SASL.Mechanism, c.SASL.User)
}

// Probe connects to a broker like the client, with crypto/tls and the first two
// requests of the protocol. Probe returns details that librdkafka does not
// report: a wrong host name, an expired certificate, a mechanism that the
// broker does not offer, or a port with another protocol. nil means that Probe
// found no problem.
func Probe(ctx context.Context, c *settings.Config, broker string) error {
	broker = withPort(broker)
	fail := func(kind, err error, fix string) error {
		if errors.Is(err, os.ErrDeadlineExceeded) { // the broker has refused nothing
			kind, fix = ErrUnreachable, "it takes connections and does not answer: is it a broker, or one that is overloaded?"
		}
		return &ConnectionError{kind, broker, err, fix}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", broker)
	if err != nil {
		return fail(ErrUnreachable, err, addressFix(c, broker))
	}
	defer func() { _ = conn.Close() }()
	// The probe uses half of the deadline. The other half is for the HTTP
	// check.
	patience := 1500 * time.Millisecond
	if end, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(end)/2)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	if c.TLS != nil {
		secure, fix, err := probeTLS(ctx, c, conn, broker)
		if errors.Is(err, os.ErrDeadlineExceeded) && answersInClear(ctx, broker, patience) {
			err, fix = errors.New("the broker answers without TLS"), noTLS
		}
		if err != nil {
			return fail(ErrTLS, err, fix)
		}
		conn = secure
	}
	const metadata, saslHandshake, saslAuthenticate = 3, 17, 36
	answer, err := roundTrip(conn, apiVersions, 0, nil)
	if errors.Is(err, os.ErrDeadlineExceeded) && speaksHTTP(conn, patience) {
		err = errHTTP
	}
	switch {
	case err != nil && c.TLS != nil:
		return fail(ErrTLS, err, "the broker ended the connection after the handshake: "+settings.ClientCertificateFix(c.TLS))
	case err != nil:
		return fail(ErrUnreachable, err, "what listens there does not speak Kafka's protocol in the clear: is it a TLS port (WithTLS), or no broker?")
	case len(answer) < 6:
		return fail(ErrUnreachable, errors.New("its answer is not Kafka's"), "is it a broker?")
	}
	if c.SASL == nil {
		// Request the metadata of no topics, and create none. A broker that
		// requires authentication refuses this request.
		if _, err := roundTrip(conn, metadata, 4, []byte{0, 0, 0, 0, 0}); err != nil {
			return fail(ErrAuthentication, err, "the broker ended the connection at the first request: does it want authentication (WithSASL)?")
		}
		return nil
	}
	mechanism := c.SASL.Mechanism
	answer, err = roundTrip(conn, saslHandshake, 1, appendString(nil, mechanism))
	if err != nil {
		return fail(ErrAuthentication, err, "the broker ended the connection when asked to authenticate: is SASL on for this port?")
	}
	if code, offered := handshakeAnswer(answer); code == 33 { // UNSUPPORTED_SASL_MECHANISM
		return fail(ErrAuthentication, fmt.Errorf("the broker does not offer %s, but %s", mechanism, strings.Join(offered, ", ")), "look at WithSASL")
	} else if code != 0 {
		return fail(ErrAuthentication, fmt.Errorf("the broker answers %w", &transport.Error{Code: transport.Code(code)}), "is SASL on for this port?")
	}
	if mechanism != "PLAIN" {
		return nil // the client itself reports a wrong password
	}
	token := "\x00" + c.SASL.User + "\x00" + c.SASL.Password
	answer, err = roundTrip(conn, saslAuthenticate, 0, append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		err = errors.New("the broker refused the user or the password")
	}
	if err != nil {
		return fail(ErrAuthentication, err, saslFix(c))
	}
	if len(answer) >= 2 && binary.BigEndian.Uint16(answer) != 0 {
		return fail(ErrAuthentication, fmt.Errorf("the broker refused the user or the password (%w)",
			&transport.Error{Code: transport.Code(int16(binary.BigEndian.Uint16(answer)))}), saslFix(c))
	}
	return nil
}

// ProbeAll probes all brokers at the same time. If one broker has no problem,
// the result is nil. Otherwise the result is the error of the first broker.
func ProbeAll(ctx context.Context, c *settings.Config) error {
	found := make([]error, len(c.Brokers))
	var wg sync.WaitGroup
	for i, b := range c.Brokers {
		wg.Go(func() { found[i] = Probe(ctx, c, b) })
	}
	wg.Wait()
	for _, err := range found {
		if err == nil {
			return nil
		}
	}
	return found[0]
}

// probeTLS makes a TLS connection. fix is the hint for an error.
func probeTLS(ctx context.Context, c *settings.Config, conn net.Conn, broker string) (secure *tls.Conn, fix string, err error) {
	host, _, _ := net.SplitHostPort(broker)
	t, err := settings.NewTLSConfig(c.TLS)
	if err == nil {
		t.ServerName = host
		secure = tls.Client(conn, t)
		err = secure.HandshakeContext(ctx)
	}
	return secure, cmp.Or(handshakeFix(err), "look at WithTLS"), err
}

const (
	apiVersions = 18
	noTLS       = "the port does not speak TLS: leave WithTLS out, or use the broker's TLS port"
)

// answersInClear reports whether a broker answers a request without TLS.
func answersInClear(ctx context.Context, broker string, patience time.Duration) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", broker)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = roundTrip(conn, apiVersions, 0, nil)
	return err == nil
}

// handshakeFix returns a hint for an error of crypto/tls, or "" for another
// error.
func handshakeFix(err error) string {
	var (
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the broker's certificate is valid from %s to %s", invalid.Cert.NotBefore.UTC().Format(time.RFC3339), invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(err, &name):
		return "the broker's certificate is for another host name: connect by a name that it has, or have it made for this one"
	case errors.As(err, &unknown):
		return "TLS.CA must hold the CA that signed the broker's certificate"
	case errors.As(err, &record):
		return noTLS
	case errors.Is(err, io.EOF):
		return "the port ended the connection in the handshake: does it speak TLS?"
	}
	return ""
}

// maxProbeAnswer limits the size of a broker's answer, in bytes.
const maxProbeAnswer = 1 << 20

var errHTTP = errors.New("an HTTP server answers there")

// speaksHTTP sends the end of an HTTP request, and reports whether the answer
// is HTTP.
func speaksHTTP(conn net.Conn, patience time.Duration) bool {
	_ = conn.SetDeadline(time.Now().Add(patience))
	head := make([]byte, 5)
	if _, err := conn.Write([]byte("\r\n\r\n")); err != nil {
		return false
	}
	_, err := io.ReadFull(conn, head)
	return err == nil && string(head) == "HTTP/"
}

// roundTrip sends one request with header version 1 and returns the body of the
// answer.
func roundTrip(conn net.Conn, api, version int16, body []byte) ([]byte, error) {
	const correlation = 7
	req := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(api))
	req = binary.BigEndian.AppendUint16(req, uint16(version))
	req = binary.BigEndian.AppendUint32(req, correlation)
	req = append(appendString(req, "avroline-probe"), body...)
	binary.BigEndian.PutUint32(req, uint32(len(req)-4))
	if _, err := conn.Write(req); err != nil {
		return nil, err
	}
	head := make([]byte, 8)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	switch {
	case bytes.HasPrefix(head, []byte("HTTP/")):
		return nil, errHTTP
	case head[0] == 0x15 && head[1] == 3: // a TLS alert record
		return nil, errors.New("a TLS server answers there")
	case size < 4 || size > maxProbeAnswer || binary.BigEndian.Uint32(head[4:]) != correlation:
		return nil, errors.New("its answer is not Kafka's")
	}
	answer := make([]byte, size-4)
	_, err := io.ReadFull(conn, answer)
	return answer, err
}

func appendString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

// handshakeAnswer parses a SaslHandshake answer into the error code and the
// mechanisms.
func handshakeAnswer(b []byte) (code int16, mechanisms []string) {
	if len(b) < 6 {
		return -1, nil
	}
	code = int16(binary.BigEndian.Uint16(b))
	for b = b[6:]; len(b) >= 2; {
		n := int(binary.BigEndian.Uint16(b))
		if len(b) < 2+n {
			break
		}
		mechanisms = append(mechanisms, string(b[2:2+n]))
		b = b[2+n:]
	}
	return code, mechanisms
}
