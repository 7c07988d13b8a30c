// Package google gives tokens for Google Cloud Managed Service for Apache
// Kafka. The package needs no Google SDK.
//
//	source, err := google.New()
//	…
//	p, err := producer.New(brokers, serializer,
//		producer.WithTLS(producer.TLS{}), producer.WithSASL(producer.OAuthBearer(source)))
//
// The identity comes from the places of Google's own SDKs (Application Default
// Credentials), in this order:
//
//  1. the file that GOOGLE_APPLICATION_CREDENTIALS names,
//  2. the file of "gcloud auth application-default login",
//  3. the metadata service of the machine (Compute Engine, GKE, Cloud Run).
//
// A file may hold a service account's key, a user's refresh token, or the
// configuration of workload identity federation with a token in a file or at a
// URL.
package google

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/producer/auth/internal/endpoint"
)

// scope is the permission of the access token.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// Source makes tokens for producer.OAuthBearer. A Source is safe for concurrent
// use.
type Source struct {
	principal string
	client    *http.Client
	env       func(string) string
	now       func() time.Time
}

// Option configures [New]. The zero Option does nothing.
type Option struct{ apply func(*Source) error }

// WithHTTPClient makes the requests for tokens with client, for example with a
// private CA. The default is [http.DefaultClient]. Redirects are never
// followed.
func WithHTTPClient(client *http.Client) Option {
	return Option{func(s *Source) error {
		if client == nil {
			return errors.New("google: WithHTTPClient: must not be nil")
		}
		s.client = client
		return nil
	}}
}

// WithPrincipal sets the account in the token, an e-mail address. The default
// is the account in the credentials. The credentials of a user name no account.
func WithPrincipal(email string) Option {
	return Option{func(s *Source) error { s.principal = email; return nil }}
}

// New makes a source, and makes no request.
func New(opts ...Option) (*Source, error) {
	s := &Source{env: os.Getenv, now: time.Now}
	for _, opt := range opts {
		if opt.apply == nil {
			continue
		}
		if err := opt.apply(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Token asks for a new access token each time. Token wraps the access token in
// the form for the brokers. The producer keeps a token until four fifths of the
// token's life are over.
func (s *Source) Token(ctx context.Context) (oauth.Token, error) {
	a, err := s.access(ctx)
	if err != nil {
		return oauth.Token{}, fmt.Errorf("google: %w", err)
	}
	principal := cmp.Or(s.principal, a.principal)
	if principal == "" {
		return oauth.Token{}, errors.New("google: the credentials do not name an account: use WithPrincipal")
	}
	part := func(v any) string {
		text, _ := json.Marshal(v) // maps of text and numbers
		return base64.RawURLEncoding.EncodeToString(text)
	}
	value := part(map[string]string{"typ": "JWT", "alg": "GOOG_OAUTH2_TOKEN"}) + "." +
		part(map[string]any{"exp": a.expiry.Unix(), "iat": s.now().Unix(), "iss": "Google", "scope": "kafka", "sub": principal}) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(a.token))
	return oauth.Token{Value: value, Expiry: a.expiry, Principal: principal}, nil
}

// access is an access token of Google Cloud.
type access struct {
	token     string
	expiry    time.Time
	principal string // an e-mail address, or empty
}

// access asks the first place that is configured.
func (s *Source) access(ctx context.Context) (access, error) {
	path := s.env("GOOGLE_APPLICATION_CREDENTIALS")
	if path != "" {
		text, err := endpoint.ReadFile(path)
		if err != nil {
			return access{}, fmt.Errorf("GOOGLE_APPLICATION_CREDENTIALS: %w", err)
		}
		return s.fromFile(ctx, text)
	}
	if dir := s.gcloudDir(); dir != "" {
		text, err := endpoint.ReadFile(filepath.Join(dir, "application_default_credentials.json"))
		switch {
		case err == nil:
			return s.fromFile(ctx, text)
		case !errors.Is(err, os.ErrNotExist):
			return access{}, err
		}
	}
	return s.metadata(ctx)
}

// gcloudDir returns the folder of gcloud's files, or "".
func (s *Source) gcloudDir() string {
	if dir := s.env("CLOUDSDK_CONFIG"); dir != "" {
		return dir
	}
	if dir := s.env("APPDATA"); dir != "" { // Windows
		return filepath.Join(dir, "gcloud")
	}
	if home := s.env("HOME"); home != "" {
		return filepath.Join(home, ".config", "gcloud")
	}
	return ""
}

// credentials is a file of credentials, of any type.
type credentials struct {
	Type string

	ClientEmail  string `json:"client_email"` // service_account
	PrivateKey   string `json:"private_key"`
	PrivateKeyID string `json:"private_key_id"`
	TokenURI     string `json:"token_uri"`

	ClientID     string `json:"client_id"` // authorized_user
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`

	Audience         string // external_account
	SubjectTokenType string `json:"subject_token_type"`
	TokenURL         string `json:"token_url"`
	Impersonation    string `json:"service_account_impersonation_url"`
	Source           struct {
		File, URL string
		Headers   map[string]string
		Format    struct {
			Type  string
			Field string `json:"subject_token_field_name"`
		}
	} `json:"credential_source"`
}

func (s *Source) fromFile(ctx context.Context, text []byte) (access, error) {
	var c credentials
	if json.Unmarshal(text, &c) != nil {
		return access{}, errors.New("the credentials file is not JSON")
	}
	switch c.Type {
	case "service_account":
		return s.serviceAccount(ctx, &c)
	case "authorized_user":
		return s.exchange(ctx, cmp.Or(c.TokenURI, "https://oauth2.googleapis.com/token"), url.Values{
			"grant_type": {"refresh_token"}, "client_id": {c.ClientID}, "client_secret": {c.ClientSecret}, "refresh_token": {c.RefreshToken},
		}, "")
	case "external_account":
		return s.federated(ctx, &c)
	}
	return access{}, fmt.Errorf("credentials of the type %q: must be service_account, authorized_user or external_account", c.Type)
}

// exchange posts a form to a token endpoint.
func (s *Source) exchange(ctx context.Context, address string, form url.Values, principal string) (access, error) {
	if err := endpoint.CheckSecret(address); err != nil {
		return access{}, err
	}
	answer, err := endpoint.PostForm(ctx, s.client, address, form, nil)
	if err != nil {
		return access{}, err
	}
	return s.parse(answer, principal)
}

func (s *Source) parse(answer []byte, principal string) (access, error) {
	var result struct {
		AccessToken string  `json:"access_token"`
		ExpiresIn   float64 `json:"expires_in"`
	}
	const most = 1 << 30 // in seconds. A larger number could overflow a time
	switch err := json.Unmarshal(answer, &result); {
	case err != nil || result.AccessToken == "":
		return access{}, errors.New("the answer holds no access_token")
	case result.ExpiresIn <= 0 || result.ExpiresIn > most:
		return access{}, errors.New("the answer does not say when the token expires")
	}
	return access{result.AccessToken, s.now().Add(time.Duration(result.ExpiresIn * float64(time.Second))), principal}, nil
}

// metadata asks the metadata service of the machine.
func (s *Source) metadata(ctx context.Context) (access, error) {
	base := "http://" + cmp.Or(s.env("GCE_METADATA_HOST"), "169.254.169.254") + "/computeMetadata/v1/instance/service-accounts/default/"
	header := http.Header{"Metadata-Flavor": {"Google"}}
	email := []byte(s.principal)
	if s.principal == "" {
		var err error
		if email, err = endpoint.Get(ctx, s.client, base+"email", header); err != nil {
			return access{}, fmt.Errorf("no credentials in a file, and no metadata service: %w", err)
		}
	}
	answer, err := endpoint.Get(ctx, s.client, base+"token?scopes="+url.QueryEscape(scope), header)
	if err != nil {
		return access{}, err
	}
	return s.parse(answer, strings.TrimSpace(string(email)))
}
