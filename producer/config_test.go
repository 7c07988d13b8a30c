//go:build cgo

package producer

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
)

// TestClientAcceptsEveryConfig checks that the client library accepts every
// combination of options.
func TestClientAcceptsEveryConfig(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]Option{
		"defaults":       nil,
		"low latency":    {LowLatency()},
		"balanced":       {Balanced()},
		"throughput":     {HighThroughput(), WithCompression(Zstd), WithCompressionLevel(3)},
		"weak none":      {WithWeakAcks(AcksNone), WithRetries(3), WithInFlightRequests(20)},
		"weak leader":    {WithWeakAcks(AcksLeader)},
		"weak all":       {WithWeakAcks(AcksAll)},
		"everything":     {WithLinger(1500 * time.Microsecond), WithBatchSize(1 << 16), WithBatchMessages(7), WithMaxMessageBytes(1 << 15), WithCompression(Gzip), WithMaxInFlight(5, 1<<20), WithMaxBlock(time.Second), WithInFlightRequests(1), WithRetryBackoff(time.Millisecond, 2*time.Millisecond), WithRequestTimeout(time.Second), WithDeliveryTimeout(time.Minute), WithClientID("a"), WithRack("b"), WithMetadataMaxAge(time.Second), WithCreateTopics(3, -1), WithTopicSettings(map[string]string{"a": "b"}), WithoutRecovery(), WithLogger(slog.New(slog.DiscardHandler)), WithHooks(Hooks{})},
		"tls":            {WithTLS(TLS{})},
		"scram over tls": {WithTLS(TLS{}), WithSASL(ScramSHA512("u", "p"))},
		"plain":          {WithSASL(Plain("u", "p"))},
		"oidc":           {WithSASL(OIDC(OIDCConfig{TokenURL: "https://127.0.0.1:1/token", ClientID: "c", ClientSecret: "s", Scope: "x", Extensions: "a=b"}))},
	} {
		for _, who := range []settings.Purpose{settings.ForProducer, settings.ForTransactional} {
			t.Run(fmt.Sprint(name, "/", who), func(t *testing.T) {
				t.Parallel()
				id := ""
				if who == settings.ForTransactional {
					id = "tid"
				}
				c, err := settings.New(who, []string{"127.0.0.1:1"}, id, opts)
				if who == settings.ForTransactional && (strings.HasPrefix(name, "weak") || name == "everything") {
					if err == nil {
						t.Fatal("accepted in a transaction")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				m := configMap(c.ProducerMap())
				p, err := kafka.NewProducer(&m)
				if err != nil {
					t.Fatal(err)
				}
				p.Close()
			})
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts []Option
		want []string // each text is in the error
	}{
		"nil logger":           {[]Option{WithLogger(nil)}, []string{"WithLogger", "nil"}},
		"nil failure handler":  {[]Option{WithFailureHandler(nil)}, []string{"WithFailureHandler", "nil"}},
		"nil observer":         {[]Option{WithObserver(nil)}, []string{"WithObserver", "nil"}},
		"nil resolver":         {[]Option{WithResolver(nil)}, []string{"WithResolver", "nil"}},
		"linger":               {[]Option{WithLinger(-1)}, []string{"WithLinger", "-1ns", "from 0s to 15m"}},
		"codec":                {[]Option{WithCompression("lzma")}, []string{"WithCompression", "lzma", "zstd"}},
		"level without levels": {[]Option{WithCompression(Snappy), WithCompressionLevel(3)}, []string{"WithCompressionLevel", "3", "WithCompression snappy"}},
		"level too high":       {[]Option{WithCompression(Gzip), WithCompressionLevel(10)}, []string{"WithCompressionLevel", "10", "0 to 9"}},
		"in flight":            {[]Option{WithInFlightRequests(6)}, []string{"WithInFlightRequests", "6", "WithWeakAcks"}},
		"retries":              {[]Option{WithRetries(1)}, []string{"WithRetries", "WithWeakAcks"}},
		"expiry below linger":  {[]Option{WithLinger(time.Second), WithDeliveryTimeout(time.Second)}, []string{"WithDeliveryTimeout", "WithLinger", "1s"}},
		"backoff":              {[]Option{WithRetryBackoff(2*time.Second, time.Second)}, []string{"2s", "1s"}},
		"buffer":               {[]Option{WithMaxInFlight(1, 1000)}, []string{"WithMaxInFlight", "1000", "message.max.bytes"}},
		"transaction timeout":  {[]Option{WithTransactionTimeout(time.Minute)}, []string{"WithTransactionTimeout", "New"}},
		"group commit":         {[]Option{WithGroupCommit(10, time.Millisecond)}, []string{"WithGroupCommit"}},
		"several at once":      {[]Option{WithLinger(-1), WithCompression("lzma")}, []string{"WithLinger", "lzma"}},
		"half a key pair":      {[]Option{WithTLS(TLS{Cert: []byte("x")})}, []string{"WithTLS", "Key"}},
		"no certificate":       {[]Option{WithTLS(TLS{CA: []byte("x")})}, []string{"WithTLS", "PEM"}},
		"no password":          {[]Option{WithSASL(Plain("u", ""))}, []string{"WithSASL", "password"}},
		"no mechanism":         {[]Option{WithSASL(SASL{})}, []string{"mechanism"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := settings.New(settings.ForProducer, []string{"127.0.0.1:1"}, "", tc.opts)
			var ce *ConfigError
			if !errors.As(err, &ce) {
				t.Fatalf("got %v, want a ConfigError", err)
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
		})
	}
}

func TestBrokersRefused(t *testing.T) {
	t.Parallel()
	for _, b := range []string{"", " ", "kafka://x:1", "a:1,b:2", "a:0", "a:65536", "a:x", ":9092", "::1:9092"} {
		if _, err := settings.New(settings.ForProducer, []string{b}, "", nil); err == nil {
			t.Errorf("%q accepted", b)
		}
	}
	for _, b := range []string{"a", "a:1", "[::1]:9092", "10.0.0.1:9092"} {
		if _, err := settings.New(settings.ForProducer, []string{b}, "", nil); err != nil {
			t.Errorf("%q: %v", b, err)
		}
	}
	if _, err := settings.New(settings.ForProducer, nil, "", nil); err == nil {
		t.Error("no brokers accepted")
	}
}
