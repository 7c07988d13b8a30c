package azurekms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const prefix = "azure-kms://"

// Option sets how [New] finds the Key Vault. The zero Option does nothing.
type Option struct{ apply func(*KMS) error }

// WithConfig sets the credentials by the names of Confluent's clients:
// tenant.id, client.id and client.secret of an application. The default is the
// SDK's DefaultAzureCredential. WithConfig ignores other names, so that one map
// can hold the settings of several systems. A client.secret without the two
// other settings is an error.
func WithConfig(settings map[string]string) Option {
	settings = maps.Clone(settings)
	return Option{func(k *KMS) error {
		tenant, client, secret := settings["tenant.id"], settings["client.id"], settings["client.secret"]
		if secret == "" {
			return nil
		}
		if tenant == "" || client == "" {
			return errors.New("azurekms: WithConfig: client.secret needs tenant.id and client.id")
		}
		c, err := azidentity.NewClientSecretCredential(tenant, client, secret, nil)
		if err != nil {
			return fmt.Errorf("azurekms: WithConfig: %w", err)
		}
		k.credential = c
		return nil
	}}
}

// WithCredential sets another credential of the SDK. Nil is an error.
func WithCredential(c azcore.TokenCredential) Option {
	return Option{func(k *KMS) error {
		if v := reflect.ValueOf(c); c == nil || v.Kind() == reflect.Pointer && v.IsNil() {
			return errors.New("azurekms: WithCredential: the credential is nil")
		}
		k.credential = c
		return nil
	}}
}

// WithClientOptions sets the options of the SDK's client, such as its HTTP
// client.
func WithClientOptions(o azkeys.ClientOptions) Option {
	return Option{func(k *KMS) error {
		k.options = o
		return nil
	}}
}

// KMS opens the keys of Azure Key Vault. A KMS is safe for concurrent use. Its
// text contains no credentials.
type KMS struct {
	options azkeys.ClientOptions

	mu         sync.Mutex
	credential azcore.TokenCredential    // nil for the default, before the first key
	vaults     map[string]*azkeys.Client // by URL
}

// New returns a KMS. New does no I/O.
func New(opts ...Option) (*KMS, error) {
	k := &KMS{vaults: make(map[string]*azkeys.Client)}
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
func (k *KMS) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, "azurekms.KMS") }

// Supported reports whether keyURI begins with "azure-kms://".
func (k *KMS) Supported(keyURI string) bool { return strings.HasPrefix(keyURI, prefix) }

// GetAEAD returns the key of a URI
// "azure-kms://https://NAME.vault.azure.net/keys/KEY/VERSION". The key also
// implements tink.AEADWithContext. GetAEAD sends no request.
func (k *KMS) GetAEAD(keyURI string) (tink.AEAD, error) {
	u, err := url.Parse(strings.TrimPrefix(keyURI, prefix))
	wrong := fmt.Errorf("azurekms: %q is not the URL of a key: use azure-kms://https://NAME.vault.azure.net/keys/KEY/VERSION", keyURI)
	if err != nil || !k.Supported(keyURI) || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, wrong
	}
	parts := strings.Split(u.Path, "/")
	if len(parts) != 3 && len(parts) != 4 || parts[1] != "keys" || parts[2] == "" {
		return nil, wrong
	}
	client, err := k.client(u.Scheme + "://" + u.Host)
	if err != nil {
		return nil, fmt.Errorf("azurekms: %w", err)
	}
	a := &key{client: client, name: parts[2]}
	if len(parts) == 4 {
		a.version = parts[3]
	}
	return a, nil
}

func (k *KMS) client(vault string) (*azkeys.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.vaults[vault]; c != nil {
		return c, nil
	}
	if k.credential == nil {
		c, err := azidentity.NewDefaultAzureCredential(nil)
		if err != nil {
			return nil, err
		}
		k.credential = c
	}
	c, err := azkeys.NewClient(vault, k.credential, &k.options)
	if err != nil {
		return nil, err
	}
	k.vaults[vault] = c
	return c, nil
}

// key is one key of a Key Vault.
type key struct {
	client        *azkeys.Client
	name, version string
}

// errData refuses associated data, because RSA-OAEP has none.
var errData = errors.New("azurekms: associated data is not supported")

func (k *key) params(value, data []byte) (azkeys.KeyOperationParameters, error) {
	if len(data) > 0 {
		return azkeys.KeyOperationParameters{}, errData
	}
	algorithm := azkeys.EncryptionAlgorithmRSAOAEP256
	return azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: value}, nil
}

func (k *key) EncryptWithContext(ctx context.Context, plain, data []byte) ([]byte, error) {
	p, err := k.params(plain, data)
	if err != nil {
		return nil, err
	}
	out, err := k.client.Encrypt(ctx, k.name, k.version, p, nil)
	if err != nil {
		return nil, failed(err)
	}
	return out.Result, nil
}

func (k *key) DecryptWithContext(ctx context.Context, ciphertext, data []byte) ([]byte, error) {
	p, err := k.params(ciphertext, data)
	if err != nil {
		return nil, err
	}
	out, err := k.client.Decrypt(ctx, k.name, k.version, p, nil)
	if err != nil {
		return nil, failed(err)
	}
	return out.Result, nil
}

func (k *key) Encrypt(plain, data []byte) ([]byte, error) {
	return k.EncryptWithContext(context.Background(), plain, data)
}

func (k *key) Decrypt(ciphertext, data []byte) ([]byte, error) {
	return k.DecryptWithContext(context.Background(), ciphertext, data)
}

// Error is a refusal of the Key Vault. Its text is short, because the SDK's
// text quotes the whole answer.
type Error struct {
	StatusCode int    // of HTTP
	Code       string // such as "Forbidden"
	Err        error  // the SDK's *azcore.ResponseError
}

// Error names the status and the code.
func (e *Error) Error() string {
	return fmt.Sprintf("azurekms: the Key Vault refused: status %d, code %s", e.StatusCode, e.Code)
}

// Unwrap returns the SDK's error.
func (e *Error) Unwrap() error { return e.Err }

func failed(err error) error {
	var r *azcore.ResponseError
	if errors.As(err, &r) {
		return &Error{StatusCode: r.StatusCode, Code: r.ErrorCode, Err: err}
	}
	return fmt.Errorf("azurekms: %w", err)
}
