// Package azure gives tokens of Microsoft Entra ID, for Azure Event Hubs and
// for other brokers that trust Entra ID. The package needs no Azure SDK.
//
//	source, err := azure.New("https://NAMESPACE.servicebus.windows.net/.default")
//	…
//	p, err := producer.New([]string{"NAMESPACE.servicebus.windows.net:9093"}, serializer,
//		producer.WithTLS(producer.TLS{}), producer.WithSASL(producer.OAuthBearer(source)))
//
// The identity comes from the places of Azure's own SDKs, in this order:
//
//  1. AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET,
//  2. AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE (workload
//     identity in AKS),
//  3. IDENTITY_ENDPOINT and IDENTITY_HEADER (App Service, Functions, Container
//     Apps),
//  4. the metadata service of the virtual machine (managed identity).
//
// In 3 and 4, AZURE_CLIENT_ID chooses a user-assigned identity.
package azure

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
	"strconv"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/producer/auth/internal/endpoint"
)

// Source makes tokens for producer.OAuthBearer. A Source is safe for concurrent
// use.
type Source struct {
	scope  string
	client *http.Client
	env    func(string) string
	now    func() time.Time
}

// Option configures [New]. The zero Option does nothing.
type Option struct{ apply func(*Source) error }

// WithHTTPClient makes the requests for tokens with client, for example with a
// private CA. The default is [http.DefaultClient]. Redirects are never
// followed.
func WithHTTPClient(client *http.Client) Option {
	return Option{func(s *Source) error {
		if client == nil {
			return errors.New("azure: WithHTTPClient: must not be nil")
		}
		s.client = client
		return nil
	}}
}

// New makes a source for a scope. A scope is a resource with "/.default" at the
// end. New makes no request.
func New(scope string, opts ...Option) (*Source, error) {
	resource, ok := strings.CutSuffix(scope, "/.default")
	if !ok || resource == "" || strings.ContainsAny(scope, " \t\r\n") {
		return nil, fmt.Errorf(`azure: scope %q: must be a resource and "/.default"`, scope)
	}
	s := &Source{scope: scope, env: os.Getenv, now: time.Now}
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

// Token asks for a new token each time. The producer keeps a token until four
// fifths of the token's life are over.
func (s *Source) Token(ctx context.Context) (oauth.Token, error) {
	token, err := s.token(ctx)
	if err != nil {
		return oauth.Token{}, fmt.Errorf("azure: %w", err)
	}
	return token, nil
}

func (s *Source) token(ctx context.Context) (oauth.Token, error) {
	tenant, id := s.env("AZURE_TENANT_ID"), s.env("AZURE_CLIENT_ID")
	secret, file := s.env("AZURE_CLIENT_SECRET"), s.env("AZURE_FEDERATED_TOKEN_FILE")
	switch {
	case tenant != "" && id != "" && secret != "":
		return s.entra(ctx, tenant, url.Values{"client_id": {id}, "client_secret": {secret}})
	case tenant != "" && id != "" && file != "":
		assertion, err := endpoint.ReadFile(file)
		if err != nil {
			return oauth.Token{}, fmt.Errorf("AZURE_FEDERATED_TOKEN_FILE: %w", err)
		}
		return s.entra(ctx, tenant, url.Values{
			"client_id": {id}, "client_assertion": {strings.TrimSpace(string(assertion))},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		})
	case secret != "" || file != "":
		return oauth.Token{}, errors.New("AZURE_CLIENT_SECRET and AZURE_FEDERATED_TOKEN_FILE need AZURE_TENANT_ID and AZURE_CLIENT_ID")
	case s.env("IDENTITY_ENDPOINT") != "" && s.env("IDENTITY_HEADER") != "":
		return s.managed(ctx, s.env("IDENTITY_ENDPOINT"), "2019-08-01", http.Header{"X-Identity-Header": {s.env("IDENTITY_HEADER")}})
	}
	base := strings.TrimSuffix(cmp.Or(s.env("AZURE_POD_IDENTITY_AUTHORITY_HOST"), "http://169.254.169.254"), "/")
	return s.managed(ctx, base+"/metadata/identity/oauth2/token", "2018-02-01", http.Header{"Metadata": {"true"}})
}

// entra asks the token endpoint of a tenant, by the client credentials grant.
func (s *Source) entra(ctx context.Context, tenant string, form url.Values) (oauth.Token, error) {
	if strings.ContainsAny(tenant, "/?#@:") {
		return oauth.Token{}, errors.New("AZURE_TENANT_ID: must be an id or a domain")
	}
	address := strings.TrimSuffix(cmp.Or(s.env("AZURE_AUTHORITY_HOST"), "https://login.microsoftonline.com"), "/") + "/" + tenant + "/oauth2/v2.0/token"
	if err := endpoint.CheckSecret(address); err != nil {
		return oauth.Token{}, err
	}
	form.Set("grant_type", "client_credentials")
	form.Set("scope", s.scope)
	answer, err := endpoint.PostForm(ctx, s.client, address, form, nil)
	if err != nil {
		return oauth.Token{}, err
	}
	return s.parse(answer)
}

// managed asks a service of the machine for a token of its identity.
func (s *Source) managed(ctx context.Context, address, version string, header http.Header) (oauth.Token, error) {
	if err := endpoint.CheckSecret(address); err != nil {
		return oauth.Token{}, err
	}
	query := url.Values{"api-version": {version}, "resource": {strings.TrimSuffix(s.scope, "/.default")}}
	if id := s.env("AZURE_CLIENT_ID"); id != "" {
		query.Set("client_id", id)
	}
	answer, err := endpoint.Get(ctx, s.client, address+"?"+query.Encode(), header)
	if err != nil {
		return oauth.Token{}, fmt.Errorf("managed identity: %w", err)
	}
	return s.parse(answer)
}

// parse reads an answer. Entra ID gives numbers. The metadata services give
// numbers as strings.
func (s *Source) parse(answer []byte) (oauth.Token, error) {
	var result struct {
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
		ExpiresOn   json.RawMessage `json:"expires_on"`
	}
	if json.Unmarshal(answer, &result) != nil || result.AccessToken == "" {
		return oauth.Token{}, errors.New("the answer holds no access_token")
	}
	token := oauth.Token{Value: result.AccessToken, Principal: principal(result.AccessToken)}
	if n, ok := seconds(result.ExpiresIn); ok {
		token.Expiry = s.now().Add(time.Duration(n) * time.Second)
	} else if n, ok := seconds(result.ExpiresOn); ok {
		token.Expiry = time.Unix(n, 0)
	} else {
		return oauth.Token{}, errors.New("the answer does not say when the token expires")
	}
	return token, nil
}

func seconds(raw json.RawMessage) (int64, bool) {
	const most = 1 << 40 // keeps a wrong number from overflowing a time
	n, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	return n, err == nil && n > 0 && n < most
}

// principal returns the owner in the token, or "". The broker decides alone.
func principal(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct{ OID, AppID, Sub string }
	_ = json.Unmarshal(text, &claims)
	return cmp.Or(claims.OID, claims.AppID, claims.Sub)
}
