package open

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// ChooseProtocol returns the group protocol of the brokers. See
// [DetectProtocol]. If no broker answers, ChooseProtocol returns
// [transport.ClassicProtocol], because every broker supports it. The only
// possible error is the error of the context.
func ChooseProtocol(ctx context.Context, c *settings.Config) (transport.Protocol, error) {
	found, err := detect(ctx, c)
	if err == nil {
		return found, nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	c.Logger.Warn("group_protocol_unknown", "taken", string(transport.ClassicProtocol), "err", err)
	return transport.ClassicProtocol, nil
}

// ErrNoConsumerProtocol reports that the brokers are older than the protocol
// [transport.ConsumerProtocol].
var ErrNoConsumerProtocol = errors.New(`the brokers do not support the group protocol "consumer": it needs the feature group.version 1, which comes with Kafka 4.0. Use "classic", or let the brokers decide`)

// CheckProtocol returns [ErrNoConsumerProtocol] if the brokers say that they do
// not support the protocol. Without the check, a member of such a group would
// wait for messages forever. If no broker answers, CheckProtocol returns nil.
func CheckProtocol(ctx context.Context, c *settings.Config, wanted transport.Protocol) error {
	if wanted != transport.ConsumerProtocol {
		return nil
	}
	if found, err := detect(ctx, c); err == nil && found != wanted {
		return ErrNoConsumerProtocol
	}
	return nil
}

func detect(ctx context.Context, c *settings.Config) (transport.Protocol, error) {
	var secure *tls.Config
	if c.TLS != nil {
		var err error
		if secure, err = settings.NewTLSConfig(c.TLS); err != nil {
			return "", err
		}
	}
	return DetectProtocol(ctx, c, secure)
}

// DetectProtocol asks the brokers for their group protocol. A broker supports
// [transport.ConsumerProtocol] if the cluster's feature group.version is at
// least 1. A list of requests is no proof, because Kafka 3.9 lists the requests
// of the protocol and refuses them.
//
// DetectProtocol asks before authentication. Brokers allow this request before
// authentication. If no broker answers, DetectProtocol returns the error of the
// last broker.
func DetectProtocol(ctx context.Context, c *settings.Config, secure *tls.Config) (transport.Protocol, error) {
	var errs []error
	for _, broker := range c.Brokers {
		protocol, err := detectAt(ctx, broker, secure)
		if err == nil {
			return protocol, nil
		}
		errs = append(errs, fmt.Errorf("broker %s: %w", broker, err))
	}
	return "", fmt.Errorf("ask for the group protocol: %w", errors.Join(errs...))
}

// detectWait limits the conversation with one broker.
const detectWait = 5 * time.Second

func detectAt(ctx context.Context, broker string, secure *tls.Config) (transport.Protocol, error) {
	if _, _, err := net.SplitHostPort(broker); err != nil {
		broker = net.JoinHostPort(broker, "9092")
	}
	ctx, cancel := context.WithTimeout(ctx, detectWait)
	defer cancel()
	var conn net.Conn
	var err error
	if secure == nil {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", broker)
	} else {
		conn, err = (&tls.Dialer{Config: secure}).DialContext(ctx, "tcp", broker)
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	answer, err := askVersions(conn, 3)
	if err != nil {
		return "", err
	}
	for _, f := range answer.FinalizedFeatures {
		if f.Name == "group.version" && f.MaxVersionLevel >= 1 {
			return transport.ConsumerProtocol, nil
		}
	}
	return transport.ClassicProtocol, nil
}

// askVersions sends one ApiVersions request. A broker that does not know the
// version answers with version 0, without features.
func askVersions(conn io.ReadWriter, version int16) (*kmsg.ApiVersionsResponse, error) {
	request := kmsg.NewPtrApiVersionsRequest()
	request.SetVersion(version)
	request.ClientSoftwareName, request.ClientSoftwareVersion = "avroline", "1"
	message := kmsg.NewRequestFormatter(kmsg.FormatterClientID("avroline")).AppendRequest(nil, request, 1)
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > 1<<20 {
		return nil, fmt.Errorf("the answer is not Kafka's: %d bytes", n)
	}
	answer := make([]byte, n)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	response := request.ResponseKind().(*kmsg.ApiVersionsResponse)
	if len(answer) >= 6 && binary.BigEndian.Uint16(answer[4:]) == 35 { // UNSUPPORTED_VERSION
		response.SetVersion(0)
	}
	if err := response.ReadFrom(answer[4:]); err != nil { // an ApiVersions answer has no tags after the correlation id
		return nil, err
	}
	return response, nil
}
