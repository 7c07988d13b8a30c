package hcvault

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	tinkvault "github.com/tink-crypto/tink-go-hcvault/v2/integration/hcvault"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const prefix = "hcvault://"

// Option sets how [New] talks to Vault. The zero Option does nothing.
type Option struct{ apply func(*KMS) error }

// WithConfig sets the credentials by the names of Confluent's clients:
//
//	token.id           a token; VAULT_TOKEN
//	namespace          a namespace of Vault Enterprise; VAULT_NAMESPACE
//	approle.role.id    AppRole; VAULT_APPROLE_ROLE_ID
//	approle.secret.id  AppRole; VAULT_APPROLE_SECRET_ID
//
// An environment variable counts if its setting is absent. AppRole replaces the
// token. With AppRole, the KMS logs in at the first use of a key, again before
// the lease ends, and again if Vault refuses the token. WithConfig ignores
// other names, so that one map can hold the settings of several systems.
func WithConfig(settings map[string]string) Option {
	settings = maps.Clone(settings)
	return Option{func(k *KMS) error {
		k.settings = settings
		return nil
	}}
}

// WithTLSConfig sets the TLS configuration, such as the CA of the server and a
// client certificate. The default is the configuration of Vault's client, which
// reads VAULT_CACERT and the other variables. Nil is an error.
func WithTLSConfig(c *tls.Config) Option {
	return Option{func(k *KMS) error {
		if c == nil {
			return errors.New("hcvault: WithTLSConfig: the configuration is nil")
		}
		k.tls = c.Clone()
		return nil
	}}
}

// KMS opens the transit keys of one Vault. A KMS is safe for concurrent use.
// Its text contains no credentials.
type KMS struct {
	settings map[string]string
	tls      *tls.Config
	address  string // "https://host:8200"
	client   *api.Client
	now      func() time.Time

	mu       sync.Mutex
	loggedIn bool
	renewAt  time.Time // when to log in again; zero for never
}

// New returns a KMS for the Vault at address, such as
// "https://vault.example.com:8200". New does no request.
func New(address string, opts ...Option) (*KMS, error) {
	k := &KMS{now: time.Now}
	var err error
	if k.address, err = origin(address); err != nil {
		return nil, fmt.Errorf("hcvault: New: %w", err)
	}
	for _, o := range opts {
		if o.apply == nil {
			continue
		}
		if err := o.apply(k); err != nil {
			return nil, err
		}
	}
	c := api.DefaultConfig()
	if c.Error != nil {
		return nil, fmt.Errorf("hcvault: %w", c.Error)
	}
	c.Address = k.address
	if k.tls != nil {
		c.HttpClient.Transport.(*http.Transport).TLSClientConfig = k.tls
	}
	if k.client, err = api.NewClient(c); err != nil {
		return nil, fmt.Errorf("hcvault: %w", err)
	}
	if err := k.client.SetAddress(k.address); err != nil { // VAULT_ADDR does not count
		return nil, fmt.Errorf("hcvault: %w", err)
	}
	if name := k.setting("namespace", "VAULT_NAMESPACE"); name != "" {
		k.client.SetNamespace(name)
	}
	if token := k.setting("token.id", "VAULT_TOKEN"); token != "" {
		k.client.SetToken(token)
	}
	return k, nil
}

func (k *KMS) setting(name, variable string) string {
	return cmp.Or(k.settings[name], os.Getenv(variable))
}

// origin returns the scheme and the host of an address or of a key id.
func origin(address string) (string, error) {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("the address of Vault must be a URL such as https://vault.example.com:8200")
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

// Format never prints a credential, for any verb.
func (k *KMS) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "hcvault.KMS(%s)", k.address) }

// Supported reports whether keyURI is a key of this Vault.
func (k *KMS) Supported(keyURI string) bool {
	id, ok := strings.CutPrefix(keyURI, prefix)
	if !ok {
		return false
	}
	at, err := origin(id)
	return err == nil && at == k.address
}

// GetAEAD returns the key of a URI "hcvault://ADDRESS/MOUNT/keys/NAME". With
// AppRole, GetAEAD may send a login request.
func (k *KMS) GetAEAD(keyURI string) (tink.AEAD, error) {
	if !k.Supported(keyURI) {
		return nil, fmt.Errorf("hcvault: %s has no key %q", k.address, keyURI)
	}
	id := strings.TrimPrefix(keyURI, prefix)
	if !strings.Contains(id, "://") {
		id = "https://" + id
	}
	u, err := url.Parse(id)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("hcvault: %q is not the URL of a key", keyURI)
	}
	if err := k.logIn(); err != nil {
		return nil, err
	}
	key, err := tinkvault.NewAEAD(u.EscapedPath(), k.client.Logical())
	if err != nil {
		return nil, fmt.Errorf("hcvault: the key %q: use hcvault://ADDRESS/MOUNT/keys/NAME: %w", keyURI, err)
	}
	return &aead{k, key}, nil
}

// aead is a transit key. If Vault refuses the token of AppRole, aead logs in
// and tries once more, because the token may be revoked or used up.
type aead struct {
	kms *KMS
	key tink.AEAD
}

func (a *aead) Encrypt(plain, data []byte) ([]byte, error) {
	return a.kms.loggedInAgain(func() ([]byte, error) { return a.key.Encrypt(plain, data) })
}

func (a *aead) Decrypt(ciphertext, data []byte) ([]byte, error) {
	return a.kms.loggedInAgain(func() ([]byte, error) { return a.key.Decrypt(ciphertext, data) })
}

func (k *KMS) loggedInAgain(call func() ([]byte, error)) ([]byte, error) {
	token := k.client.Token()
	out, err := call()
	var refused *api.ResponseError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden || !k.forgetLogin(token) {
		return out, err
	}
	if err := k.logIn(); err != nil {
		return nil, err
	}
	return call()
}

// forgetLogin forgets a token that Vault has refused. The result is false if
// the token is not of AppRole.
func (k *KMS) forgetLogin(token string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client.Token() == token && k.loggedIn {
		k.loggedIn = false
		return true
	}
	return k.loggedIn // another caller has logged in since
}

// loginTimeout bounds one login by AppRole.
const loginTimeout = 30 * time.Second

// logIn gets a token by AppRole if the settings ask for AppRole and the token
// has expired or is about to.
func (k *KMS) logIn() error {
	role, secret := k.setting("approle.role.id", "VAULT_APPROLE_ROLE_ID"), k.setting("approle.secret.id", "VAULT_APPROLE_SECRET_ID")
	if role == "" || secret == "" {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.loggedIn && (k.renewAt.IsZero() || k.now().Before(k.renewAt)) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), loginTimeout)
	defer cancel()
	got, err := k.client.Logical().WriteWithContext(ctx, "auth/approle/login", map[string]any{"role_id": role, "secret_id": secret})
	if err != nil {
		return fmt.Errorf("hcvault: log in with AppRole: %w", err)
	}
	if got == nil || got.Auth == nil || got.Auth.ClientToken == "" {
		return errors.New("hcvault: log in with AppRole: Vault returned no token")
	}
	k.client.SetToken(got.Auth.ClientToken)
	k.loggedIn, k.renewAt = true, time.Time{}
	if lease := time.Duration(got.Auth.LeaseDuration) * time.Second; lease > 0 {
		k.renewAt = k.now().Add(lease * 4 / 5)
	}
	return nil
}
