//go:build integration

package integration

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/internal/kafkacluster"
	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/serde"
)

// unsigned returns a bearer token without a signature. The test's brokers
// accept unsigned tokens.
func unsigned(t *testing.T, subject string, expiry time.Time) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]string{"alg": "none"}) + "." +
		part(map[string]any{"sub": subject, "iat": time.Now().Unix(), "exp": expiry.Unix(), "scope": "kafka"}) + "."
}

// TestSecurity tries every kind of login, right and wrong. A right login
// publishes. A wrong login is an error within the deadline, and the error names
// the reason.
func TestSecurity(t *testing.T) {
	c := cluster(t)
	name := topic(t, 3, nil)
	asked := make(chan string, 100)
	oidc := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, secret, _ := r.BasicAuth()
		select {
		case asked <- user:
		default:
		}
		if secret != "s3cret" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":300}`, unsigned(t, user, time.Now().Add(5*time.Minute)))
	}))
	defer oidc.Close()
	token := func(subject string, life time.Duration) producer.SASL {
		return producer.OAuthBearer(oauth.SourceFunc(func(context.Context) (producer.Token, error) {
			expiry := time.Now().Add(life)
			return producer.Token{Value: unsigned(t, subject, expiry), Expiry: expiry, Principal: subject}, nil
		}))
	}
	provider := func(secret string) producer.SASL {
		return producer.OIDC(producer.OIDCConfig{TokenURL: oidc.URL + "/token", ClientID: "orders", ClientSecret: secret, Scope: "kafka"})
	}
	ca := producer.TLS{CA: c.Certs.CA}
	sasl, mtls := c.SASLAddrs(), c.MTLSAddrs()
	for _, test := range []struct {
		name    string
		brokers []string
		tls     producer.TLS
		sasl    *producer.SASL
		want    string // text of the error; "" means that publishing works
	}{
		{"PLAIN", sasl, ca, ptr(producer.Plain(kafkacluster.PlainUser, kafkacluster.PlainPassword)), ""},
		{"SCRAM-SHA-256", sasl, ca, ptr(producer.ScramSHA256(kafkacluster.ScramUser, kafkacluster.ScramPassword)), ""},
		{"SCRAM-SHA-512", sasl, ca, ptr(producer.ScramSHA512(kafkacluster.ScramUser, kafkacluster.ScramPassword)), ""},
		{"OAUTHBEARER, own tokens", sasl, ca, ptr(token("orders", time.Minute)), ""},
		{"OAUTHBEARER, OIDC", sasl, ca, ptr(provider("s3cret")), ""},
		{"mTLS", mtls, producer.TLS{CA: c.Certs.CA, Cert: c.Certs.Client, Key: c.Certs.ClientKey}, nil, ""},

		{"wrong password", sasl, ca, ptr(producer.ScramSHA512(kafkacluster.ScramUser, "nope")), "invalid credentials"},
		{"an unknown CA", sasl, producer.TLS{CA: c.Certs.OtherCA}, ptr(producer.Plain(kafkacluster.PlainUser, kafkacluster.PlainPassword)), "certificate"},
		{"no client certificate", mtls, ca, nil, "certificate"},
		{"an expired certificate of ours", mtls, producer.TLS{CA: c.Certs.CA, Cert: c.Certs.Expired, Key: c.Certs.ExpiredKey}, nil, "expired on"},
		{"a certificate of a stranger", mtls, producer.TLS{CA: c.Certs.CA, Cert: c.Certs.Stranger, Key: c.Certs.StrangerKey}, nil, "certificate"},
		{"OIDC with a wrong secret", sasl, ca, ptr(provider("wrong")), "invalid_client"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ser, err := serde.NewSerializer(&workload.Registry{})
			if err != nil {
				t.Fatal(err)
			}
			opts := []producer.Option{producer.WithTLS(test.tls)}
			if test.sasl != nil {
				opts = append(opts, producer.WithSASL(*test.sasl))
			}
			p, err := producer.New(test.brokers, ser, opts...)
			if test.want != "" && err != nil { // refused before the first connection
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want one that says %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			items := producer.NewTopic(name, producer.KeyBy(func(i *workload.Item) string { return i.Key }))
			wait := 30 * time.Second
			if test.want != "" {
				wait = 4 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			_, err = items.Publish(ctx, p, &workload.Item{})
			closing, stop := context.WithTimeout(context.Background(), time.Second)
			defer stop()
			_ = p.Close(closing) // Publish has already reported the reason
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(strings.ToLower(err.Error()), test.want)):
				t.Errorf("error %v, want one that says %q", err, test.want)
			case err != nil:
				t.Log(err)
			}
		})
	}
	select {
	case user := <-asked:
		if user != "orders" {
			t.Errorf("the provider was asked as %q", user)
		}
	default:
		t.Error("the provider was never asked")
	}
}

func ptr[T any](v T) *T { return &v }

// TestProcessorTokens lets a processor log in with tokens of its own, which do
// not name their expiry. The processor reads one message.
func TestProcessorTokens(t *testing.T) {
	c := cluster(t)
	for name, transport := range map[string]producer.Option{"confluent": producer.WithTransport(producer.Confluent), "franz": producer.WithTransport(producer.Franz)} {
		t.Run(name, func(t *testing.T) {
			in := topic(t, 1, nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ser, err := serde.NewSerializer(&workload.Registry{})
			if err != nil {
				t.Fatal(err)
			}
			des, err := serde.NewDeserializer[orders.OrderCancelled](&workload.Registry{})
			if err != nil {
				t.Fatal(err)
			}
			p, err := producer.New(c.Addrs(), ser, transport)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (producer.Encoded{Topic: in, Value: []byte("no schema id")}).Send(ctx, p); err != nil {
				t.Fatal(err)
			}
			if err := p.Close(ctx); err != nil {
				t.Error(err)
			}
			tokens := oauth.SourceFunc(func(context.Context) (producer.Token, error) {
				return producer.Token{Value: unsigned(t, "orders", time.Now().Add(time.Hour)), Principal: "orders"}, nil
			})
			reads, stop := context.WithCancel(ctx)
			defer stop()
			proc, err := processor.New(c.SASLAddrs(), in, in, []string{in}, des, ser,
				func(context.Context, *producer.Tx, processor.Consumed[orders.OrderCancelled]) error { return nil },
				processor.WithBadHandler(func(_ context.Context, tx *producer.Tx, _ processor.Raw) error {
					tx.OnEnd(func(error) { stop() })
					return nil
				}),
				processor.WithProducer(transport, producer.WithTLS(producer.TLS{CA: c.Certs.CA}), producer.WithSASL(producer.OAuthBearer(tokens))))
			if err != nil {
				t.Fatal(err)
			}
			if err := proc.Run(reads); err != nil || reads.Err() == nil || ctx.Err() != nil {
				t.Errorf("run: %v, the test: %v", err, ctx.Err())
			}
		})
	}
}
