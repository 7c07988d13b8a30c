package awskms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const prefix = "aws-kms://"

// Option sets how [New] finds the AWS KMS. The zero Option does nothing.
type Option struct{ apply func(*KMS) error }

// WithConfig sets the credentials by the names of Confluent's clients:
//
//	access.key.id, secret.access.key  a fixed access key
//	profile                           a profile of the shared AWS files
//	role.arn                          a role to assume; AWS_ROLE_ARN
//	role.session.name                 AWS_ROLE_SESSION_NAME
//	role.external.id                  AWS_ROLE_EXTERNAL_ID
//
// An environment variable counts if its setting is absent. The default is the
// SDK's chain of credentials. WithConfig ignores other names, so that one map
// can hold the settings of several systems. One half of an access key is an
// error.
func WithConfig(settings map[string]string) Option {
	settings = maps.Clone(settings)
	return Option{func(k *KMS) error {
		if (settings["access.key.id"] == "") != (settings["secret.access.key"] == "") {
			return errors.New("awskms: WithConfig: access.key.id and secret.access.key go together")
		}
		k.settings = settings
		return nil
	}}
}

// WithAWSConfig sets the configuration of the SDK, with its credentials, its
// endpoint and its HTTP client. The default is config.LoadDefaultConfig, which
// reads the environment at the first use of a key. The region comes from the
// key.
func WithAWSConfig(c aws.Config) Option {
	return Option{func(k *KMS) error {
		c = c.Copy()
		k.base = &c
		return nil
	}}
}

// WithEndpoint sends the requests to KMS and STS to another URL, such as a VPC
// endpoint.
func WithEndpoint(url string) Option {
	return Option{func(k *KMS) error {
		k.endpoint = url
		return nil
	}}
}

// KMS opens the keys of AWS KMS. A KMS is safe for concurrent use. Its text
// contains no credentials.
type KMS struct {
	settings map[string]string
	base     *aws.Config
	endpoint string

	mu      sync.Mutex
	regions map[string]*kms.Client
}

// New returns a KMS. New does no I/O.
func New(opts ...Option) (*KMS, error) {
	k := &KMS{regions: make(map[string]*kms.Client)}
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
func (k *KMS) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, "awskms.KMS") }

// Supported reports whether keyURI begins with "aws-kms://".
func (k *KMS) Supported(keyURI string) bool { return strings.HasPrefix(keyURI, prefix) }

// GetAEAD returns the key of a URI "aws-kms://ARN". The key also implements
// tink.AEADWithContext. GetAEAD may read the SDK's files, but sends no request
// to KMS.
func (k *KMS) GetAEAD(keyURI string) (tink.AEAD, error) {
	id := strings.TrimPrefix(keyURI, prefix)
	name, err := arn.Parse(id)
	if err != nil || !k.Supported(keyURI) || name.Service != "kms" || name.Region == "" {
		return nil, fmt.Errorf("awskms: %q is not the ARN of a KMS key: use aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID", keyURI)
	}
	client, err := k.client(name.Region)
	if err != nil {
		return nil, fmt.Errorf("awskms: %w", err)
	}
	return &key{client, id}, nil
}

// client returns the client of a region.
func (k *KMS) client(region string) (*kms.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.regions[region]; c != nil {
		return c, nil
	}
	c, err := k.config(context.Background(), region)
	if err != nil {
		return nil, err
	}
	client := kms.NewFromConfig(c)
	k.regions[region] = client
	return client, nil
}

// config returns the SDK's configuration with the credentials of the settings.
func (k *KMS) config(ctx context.Context, region string) (c aws.Config, err error) {
	if k.base != nil {
		c = k.base.Copy()
	} else {
		load := []func(*config.LoadOptions) error{config.WithRegion(region)}
		if profile := k.settings["profile"]; profile != "" && k.settings["access.key.id"] == "" {
			load = append(load, config.WithSharedConfigProfile(profile))
		}
		if c, err = config.LoadDefaultConfig(ctx, load...); err != nil {
			return c, err
		}
	}
	c.Region = region
	if k.endpoint != "" {
		c.BaseEndpoint = &k.endpoint
	}
	if id := k.settings["access.key.id"]; id != "" {
		c.Credentials = credentials.NewStaticCredentialsProvider(id, k.settings["secret.access.key"], "")
	}
	role := cmp.Or(k.settings["role.arn"], os.Getenv("AWS_ROLE_ARN"))
	if role == "" || os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" { // the SDK's chain assumes the role itself
		return c, nil
	}
	c.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = cmp.Or(k.settings["role.session.name"], os.Getenv("AWS_ROLE_SESSION_NAME"), "confluent-encrypt")
		if id := cmp.Or(k.settings["role.external.id"], os.Getenv("AWS_ROLE_EXTERNAL_ID")); id != "" {
			o.ExternalID = &id
		}
	}))
	return c, nil
}

// key is one key of AWS KMS.
type key struct {
	client *kms.Client
	id     string
}

// errData refuses associated data, because Confluent's clients send none.
var errData = errors.New("awskms: associated data is not supported")

func (k *key) EncryptWithContext(ctx context.Context, plain, data []byte) ([]byte, error) {
	if len(data) > 0 {
		return nil, errData
	}
	out, err := k.client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: plain})
	if err != nil {
		return nil, fmt.Errorf("awskms: %w", err)
	}
	return out.CiphertextBlob, nil
}

func (k *key) DecryptWithContext(ctx context.Context, ciphertext, data []byte) ([]byte, error) {
	if len(data) > 0 {
		return nil, errData
	}
	out, err := k.client.Decrypt(ctx, &kms.DecryptInput{KeyId: &k.id, CiphertextBlob: ciphertext})
	if err != nil {
		return nil, fmt.Errorf("awskms: %w", err)
	}
	return out.Plaintext, nil
}

func (k *key) Encrypt(plain, data []byte) ([]byte, error) {
	return k.EncryptWithContext(context.Background(), plain, data)
}

func (k *key) Decrypt(ciphertext, data []byte) ([]byte, error) {
	return k.DecryptWithContext(context.Background(), ciphertext, data)
}
