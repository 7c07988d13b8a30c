// Package awsmsk gives tokens for the IAM authentication of Amazon MSK. It
// needs no AWS SDK.
//
//	source, err := awsmsk.New("eu-central-1")
//	…
//	p, err := producer.New(brokers, serializer,
//		producer.WithTLS(producer.TLS{}), producer.WithSASL(producer.OAuthBearer(source)))
//
// The credentials come from where AWS's own SDKs look for them, in this order:
//
//  1. the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
//     AWS_SESSION_TOKEN,
//  2. AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN (IAM roles for service
//     accounts in EKS),
//  3. the profile AWS_PROFILE, or "default", of the shared credentials file, if
//     the profile has keys,
//  4. AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI (ECS, EKS Pod
//     Identity),
//  5. the metadata service of the EC2 instance (IMDSv2).
//
// [WithCredentials] takes another provider, for example one of an AWS SDK.
package awsmsk

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/avroline/avroline/internal/oauth"
)

// lifetime is how long MSK accepts a token. It is the most that MSK allows.
const lifetime = 15 * time.Minute

// Credentials sign requests to AWS. No text form shows the secret parts, and
// encoding/gob refuses Credentials.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	// SessionToken belongs to temporary credentials. It may be empty.
	SessionToken string
	// Expiry is when the credentials end. Zero means never.
	Expiry time.Time
}

// String shows the id of the access key.
func (c Credentials) String() string { return "awsmsk.Credentials(" + c.AccessKeyID + ")" }

// Format prints [Credentials.String] for every verb.
func (c Credentials) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// MarshalText returns [Credentials.String], so that JSON, YAML and XML hide the
// secrets.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue returns [Credentials.String] for log/slog.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// GobEncode returns an error, because a written key would be a secret in a
// file.
func (c Credentials) GobEncode() ([]byte, error) { return nil, errNoGob }

// GobDecode refuses, as [Credentials.GobEncode] does.
func (c *Credentials) GobDecode([]byte) error { return errNoGob }

var errNoGob = errors.New("awsmsk: credentials cannot be written or read with encoding/gob")

// Provider gives credentials. It must be safe for concurrent use and return
// when ctx ends.
type Provider interface {
	Credentials(ctx context.Context) (Credentials, error)
}

// Source makes tokens for producer.OAuthBearer. It is safe for concurrent use.
type Source struct {
	region   string
	provider Provider
	now      func() time.Time
}

// Option configures [New]. The zero Option does nothing.
type Option struct{ apply func(*options) error }

type options struct {
	provider Provider // nil: the default places
	client   *http.Client
}

// WithCredentials takes the credentials from p. By default the credentials come
// from the places in the package's documentation.
func WithCredentials(p Provider) Option {
	return Option{func(o *options) error {
		if p == nil {
			return errors.New("awsmsk: WithCredentials: must not be nil")
		}
		o.provider = p
		return nil
	}}
}

// WithHTTPClient makes the requests for credentials with client, for example
// with a private CA. Default: [http.DefaultClient]. Redirects are never
// followed.
func WithHTTPClient(client *http.Client) Option {
	return Option{func(o *options) error {
		if client == nil {
			return errors.New("awsmsk: WithHTTPClient: must not be nil")
		}
		o.client = client
		return nil
	}}
}

// New makes a source for the MSK clusters of a region, for example
// "eu-central-1". It makes no request.
func New(region string, opts ...Option) (*Source, error) {
	if !regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d+$`).MatchString(region) {
		return nil, fmt.Errorf(`awsmsk: region %q: must be of the form "eu-central-1"`, region)
	}
	var o options
	for _, opt := range opts {
		if opt.apply == nil {
			continue
		}
		if err := opt.apply(&o); err != nil {
			return nil, err
		}
	}
	if o.provider == nil {
		o.provider = &environment{region: region, client: o.client, env: os.Getenv, now: time.Now}
	}
	return &Source{region, o.provider, time.Now}, nil
}

// Token signs a token. It asks the provider for credentials each time, and
// makes no request of its own. The token ends after 15 minutes, or with the
// credentials.
func (s *Source) Token(ctx context.Context) (oauth.Token, error) {
	c, err := s.provider.Credentials(ctx)
	switch {
	case err != nil:
		return oauth.Token{}, fmt.Errorf("awsmsk: credentials: %w", err)
	case c.AccessKeyID == "" || c.SecretAccessKey == "":
		return oauth.Token{}, errors.New("awsmsk: credentials: the access key is empty")
	}
	now := s.now().UTC()
	expiry := now.Add(lifetime)
	if !c.Expiry.IsZero() && c.Expiry.Before(expiry) {
		expiry = c.Expiry
	}
	if !expiry.After(now) {
		return oauth.Token{}, fmt.Errorf("awsmsk: credentials: expired on %s", c.Expiry.UTC().Format(time.RFC3339))
	}
	signed := presign(c, s.region, "kafka."+s.region+"."+domain(s.region), now, expiry.Sub(now))
	value := base64.RawURLEncoding.EncodeToString([]byte(signed + "&User-Agent=avroline"))
	return oauth.Token{Value: value, Expiry: expiry, Principal: c.AccessKeyID}, nil
}

// domain returns the DNS suffix of a region's services.
func domain(region string) string {
	if len(region) > 3 && region[:3] == "cn-" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
