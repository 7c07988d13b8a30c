package google

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/avroline/avroline/producer/auth/internal/endpoint"
)

// serviceAccount signs an assertion with the account's key and exchanges it
// (RFC 7523).
func (s *Source) serviceAccount(ctx context.Context, c *credentials) (access, error) {
	key, err := privateKey(c.PrivateKey)
	if err != nil {
		return access{}, err
	}
	address := cmp.Or(c.TokenURI, "https://oauth2.googleapis.com/token")
	part := func(v any) string {
		text, _ := json.Marshal(v) // maps of text and numbers
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := s.now()
	unsigned := part(map[string]string{"alg": "RS256", "typ": "JWT", "kid": c.PrivateKeyID}) + "." + part(map[string]any{
		"iss": c.ClientEmail, "scope": scope, "aud": address, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	digest := sha256.Sum256([]byte(unsigned))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return access{}, fmt.Errorf("private_key: %w", err)
	}
	return s.exchange(ctx, address, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
		"assertion":  {unsigned + "." + base64.RawURLEncoding.EncodeToString(signature)},
	}, c.ClientEmail)
}

func privateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("private_key: is not PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("private_key: is not a key in PKCS#8")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("private_key: must be an RSA key")
	}
	return key, nil
}

// federated exchanges the token of another provider (workload identity
// federation), and then acts as a service account if the file says so.
func (s *Source) federated(ctx context.Context, c *credentials) (access, error) {
	subject, err := s.subjectToken(ctx, c)
	if err != nil {
		return access{}, fmt.Errorf("credential_source: %w", err)
	}
	a, err := s.exchange(ctx, cmp.Or(c.TokenURL, "https://sts.googleapis.com/v1/token"), url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "audience": {c.Audience}, "scope": {scope},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		"subject_token":        {subject}, "subject_token_type": {c.SubjectTokenType},
	}, "")
	if err != nil || c.Impersonation == "" {
		return a, err
	}
	if err := endpoint.CheckSecret(c.Impersonation); err != nil {
		return access{}, err
	}
	header := http.Header{"Authorization": {"Bearer " + a.token}, "Content-Type": {"application/json"}}
	answer, err := endpoint.Do(ctx, s.client, http.MethodPost, c.Impersonation, header, `{"scope":["`+scope+`"],"lifetime":"3600s"}`)
	if err != nil {
		return access{}, fmt.Errorf("service_account_impersonation_url: %w", err)
	}
	var result struct {
		AccessToken string    `json:"accessToken"`
		ExpireTime  time.Time `json:"expireTime"`
	}
	if json.Unmarshal(answer, &result) != nil || result.AccessToken == "" || result.ExpireTime.IsZero() {
		return access{}, errors.New("service_account_impersonation_url: the answer holds no token")
	}
	return access{result.AccessToken, result.ExpireTime, impersonated(c.Impersonation)}, nil
}

// impersonated returns the account in
// …/serviceAccounts/EMAIL:generateAccessToken.
func impersonated(address string) string {
	_, rest, _ := strings.Cut(address, "/serviceAccounts/")
	email, _, _ := strings.Cut(rest, ":")
	return email
}

// subjectToken reads the token of the other provider.
func (s *Source) subjectToken(ctx context.Context, c *credentials) (token string, err error) {
	var text []byte
	switch {
	case c.Source.File != "":
		text, err = endpoint.ReadFile(c.Source.File)
	case c.Source.URL != "":
		if err = endpoint.CheckSecret(c.Source.URL); err != nil {
			return "", err
		}
		header := http.Header{}
		for name, value := range c.Source.Headers {
			header.Set(name, value)
		}
		text, err = endpoint.Get(ctx, s.client, c.Source.URL, header)
	default:
		return "", errors.New("must name a file or a url: other sources are not supported")
	}
	if err != nil {
		return "", err
	}
	if c.Source.Format.Type != "json" {
		return strings.TrimSpace(string(text)), nil
	}
	var fields map[string]any
	if json.Unmarshal(text, &fields) == nil {
		token, _ = fields[c.Source.Format.Field].(string)
	}
	if token == "" {
		return "", fmt.Errorf("the answer has no field %q", c.Source.Format.Field)
	}
	return token, nil
}
