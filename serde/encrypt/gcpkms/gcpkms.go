package gcpkms

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"

	tinkkms "github.com/tink-crypto/tink-go-gcpkms/v2/integration/gcpkms"
	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/tink"
	"google.golang.org/api/option"
)

const prefix = "gcp-kms://"

// Option sets how [New] finds Cloud KMS. The zero Option does nothing.
type Option struct{ apply func(*KMS) error }

// WithConfig sets the key of a service account by the names of Confluent's
// clients:
//
//	client.id, client.email      the service account
//	private.key.id, private.key  its key; private.key is PEM text
//	account.type                 "service_account", the default
//
// The default is Google's Application Default Credentials. WithConfig ignores
// other names, so that one map can hold the settings of several systems. A
// private.key without the three other settings is an error.
func WithConfig(settings map[string]string) Option {
	settings = maps.Clone(settings)
	return Option{func(k *KMS) error {
		if settings["private.key"] == "" {
			return nil
		}
		for _, name := range []string{"client.id", "client.email", "private.key.id"} {
			if settings[name] == "" {
				return fmt.Errorf("gcpkms: WithConfig: private.key needs %s", name)
			}
		}
		if t := cmp.Or(settings["account.type"], string(option.ServiceAccount)); t != string(option.ServiceAccount) {
			return fmt.Errorf("gcpkms: WithConfig: account.type is %q: it must be service_account", t)
		}
		account, err := json.Marshal(map[string]string{
			"type": string(option.ServiceAccount), "client_id": settings["client.id"], "client_email": settings["client.email"],
			"private_key_id": settings["private.key.id"], "private_key": settings["private.key"],
		})
		if err != nil {
			return fmt.Errorf("gcpkms: WithConfig: %w", err)
		}
		k.options = append(k.options, option.WithAuthCredentialsJSON(option.ServiceAccount, account))
		return nil
	}}
}

// WithClientOptions sets options of Google's client, such as an HTTP client or
// other credentials. More calls add more options.
func WithClientOptions(opts ...option.ClientOption) Option {
	return Option{func(k *KMS) error {
		k.options = append(k.options, opts...)
		return nil
	}}
}

// WithEndpoint sends the requests to another URL, such as a Private Service
// Connect endpoint.
func WithEndpoint(url string) Option { return WithClientOptions(option.WithEndpoint(url)) }

// KMS opens the keys of Google Cloud KMS. A KMS is safe for concurrent use. Its
// text contains no credentials.
type KMS struct {
	options []option.ClientOption

	mu     sync.Mutex
	client registry.KMSClient // nil before the first key
}

// New returns a KMS. New does no I/O.
func New(opts ...Option) (*KMS, error) {
	k := &KMS{}
	for _, o := range opts {
		if o.apply == nil {
			continue
		}
		if err := o.apply(k); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Format never prints a credential, for any verb.
func (k *KMS) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, "gcpkms.KMS") }

// Supported reports whether keyURI begins with "gcp-kms://".
func (k *KMS) Supported(keyURI string) bool { return strings.HasPrefix(keyURI, prefix) }

// GetAEAD returns the key of a URI "gcp-kms://projects/…/cryptoKeys/NAME". The
// first call finds the credentials.
func (k *KMS) GetAEAD(keyURI string) (tink.AEAD, error) {
	name := regexp.MustCompile(`^gcp-kms://projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$`)
	if !name.MatchString(keyURI) {
		return nil, fmt.Errorf("gcpkms: %q is not the name of a key: use gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K", keyURI)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == nil {
		client, err := tinkkms.NewClient(context.Background(), prefix, tinkkms.WithTransport(tinkkms.TransportREST), tinkkms.WithGoogleAPIClientOptions(k.options...))
		if err != nil { // the text may quote the credentials
			return nil, errors.New("gcpkms: the credentials cannot be used: check private.key, or the Application Default Credentials")
		}
		k.client = client
	}
	key, err := k.client.GetAEAD(keyURI)
	if err != nil {
		return nil, fmt.Errorf("gcpkms: %w", err)
	}
	return key, nil
}
