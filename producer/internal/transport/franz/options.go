package franz

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// dialFunc opens a connection to a broker, including the TLS handshake.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

const (
	dialTimeout = 10 * time.Second
	// The brokers see these names.
	softwareName    = "avroline"
	softwareVersion = "franz"
)

// options returns the kgo settings of every client, and the function that
// connects to a broker.
func options(c *settings.Config, h transport.Handler) ([]kgo.Opt, dialFunc, error) {
	connect, err := dialer(c)
	if err != nil {
		return nil, nil, err
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.SoftwareNameAndVersion(softwareName, softwareVersion),
		kgo.MetadataMaxAge(c.MetadataMaxAge),
		kgo.MetadataMinAge(min(max(c.RetryBackoff, 10*time.Millisecond), c.MetadataMaxAge)),
		kgo.RetryBackoffFn(backoff(c.RetryBackoff, c.RetryBackoffMax)),
		kgo.ProduceRequestTimeout(max(c.RequestTimeout, 100*time.Millisecond)), // with acks=0
		kgo.ConnIdleTimeout(idleTimeout(c)),
		kgo.DisableClientMetrics(),
		kgo.AlwaysRetryEOF(), // a stopping broker closes connections at any time
		kgo.WithLogger(logger{c}),
		// The context of a call limits the retries. There is no limit on
		// attempts.
		kgo.RequestRetries(math.MaxInt32),
		kgo.RetryTimeoutFn(func(key int16) time.Duration {
			switch key {
			case int16(kmsg.JoinGroup), int16(kmsg.SyncGroup), int16(kmsg.Heartbeat):
				return 45 * time.Second // the timeout of the session
			}
			return 0
		}),
	}
	if n, ok := passedNumber(c, "receive.message.max.bytes"); ok {
		n = min(max(n, 1<<10), 1<<30)
		opts = append(opts, kgo.BrokerMaxReadBytes(int32(n)), kgo.FetchMaxBytes(int32(min(n, defaultFetchBytes))))
	}
	if c.Rack != "" {
		opts = append(opts, kgo.Rack(c.Rack))
	}
	if c.SASL != nil {
		mechanism, err := mechanism(c, h)
		if err != nil {
			return nil, nil, err
		}
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, connect, nil
}

// defaultFetchBytes is kgo's default limit for a fetch response.
const defaultFetchBytes = 50 << 20

// passedNumber returns a number setting that has no field in Config.
func passedNumber(c *settings.Config, key string) (int, bool) {
	n, err := strconv.Atoi(c.Passed[key])
	return n, err == nil
}

// idleTimeout returns the maximum idle time of a connection. A broker's own
// limit is 10 minutes. kgo allows at most 15 minutes. 0 means no limit.
func idleTimeout(c *settings.Config) time.Duration {
	const most = 15 * time.Minute
	n, ok := passedNumber(c, "connections.max.idle.ms")
	switch {
	case !ok:
		return 5 * time.Minute
	case n == 0:
		return most
	}
	return min(max(time.Duration(n)*time.Millisecond, 100*time.Millisecond), most)
}

// backoff doubles the delay from least to most, with 20 % jitter.
func backoff(least, most time.Duration) func(int) time.Duration {
	return func(fails int) time.Duration {
		d := least << min(max(fails-1, 0), 20)
		if d > most || d <= 0 {
			d = most
		}
		return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
	}
}

func dialer(c *settings.Config) (dialFunc, error) {
	plain := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	if n, ok := passedNumber(c, "socket.connection.setup.timeout.ms"); ok {
		plain.Timeout = time.Duration(n) * time.Millisecond
	}
	if c.Passed["socket.keepalive.enable"] == "false" {
		plain.KeepAlive = -1
	}
	family := map[string]string{"v4": "tcp4", "v6": "tcp6"}[c.Passed["broker.address.family"]]
	var secure *tls.Config
	if c.TLS != nil {
		var err error
		if secure, err = tlsConfig(c.TLS); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if family != "" {
			network = family
		}
		if secure == nil {
			return plain.DialContext(ctx, network, address)
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("broker %q: %w", address, err)
		}
		own := secure.Clone()
		own.ServerName = host
		return (&tls.Dialer{NetDialer: plain, Config: own}).DialContext(ctx, network, address)
	}, nil
}

// codec returns the compression of batches.
func codec(c *settings.Config) (kgo.CompressionCodec, error) {
	codecs := map[settings.Compression]kgo.CompressionCodec{
		settings.NoCompression: kgo.NoCompression(),
		settings.Gzip:          kgo.GzipCompression(),
		settings.Snappy:        kgo.SnappyCompression(),
		settings.LZ4:           kgo.Lz4Compression(),
		settings.Zstd:          kgo.ZstdCompression(),
	}
	codec, ok := codecs[c.Compression]
	if !ok {
		return codec, fmt.Errorf("franz: no compression %q", c.Compression)
	}
	if c.CompressionLevel >= 0 {
		codec = codec.WithLevel(c.CompressionLevel)
	}
	return codec, nil
}

// logger forwards kgo's warnings and errors. kgo's errors become warnings,
// because kgo logs an error for a single request and then retries the request.
// The line about the first offset of a partition outside the log has only the
// level info, and becomes a warning.
type logger struct{ config *settings.Config }

// Level implements kgo.Logger.
func (l logger) Level() kgo.LogLevel {
	if l.config.Logger.Enabled(context.Background(), slog.LevelWarn) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelNone
}

// Log implements kgo.Logger.
func (l logger) Log(level kgo.LogLevel, text string, fields ...any) {
	reset := strings.Contains(text, kerr.OffsetOutOfRange.Message)
	if level == kgo.LogLevelInfo && !reset {
		return
	}
	var b strings.Builder
	b.WriteString(text)
	for i := 0; i+1 < len(fields); i += 2 {
		fmt.Fprintf(&b, ", %v: %v", fields[i], fields[i+1])
	}
	if reset {
		l.config.Logger.Warn("offset_reset", "text", l.config.Redact(b.String()))
		return
	}
	l.config.Logger.Warn("kafka_client", "about", text, "text", l.config.Redact(b.String()))
}
