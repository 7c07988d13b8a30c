package contract

import (
	"errors"
	"fmt"
	"log/slog"
)

// KEK is the registry's entry of a key encryption key. The key is in a key
// management system.
type KEK struct {
	Name     string `json:"name"`
	KMSType  string `json:"kmsType"` // "aws-kms", "gcp-kms", "azure-kms", "hcvault", "local-kms"
	KMSKeyID string `json:"kmsKeyId"`
	// KMSProps are settings of the KMS.
	KMSProps map[string]string `json:"kmsProps,omitempty"`
	Doc      string            `json:"doc,omitempty"`
	// Shared says that the registry may also use the key. Then the registry
	// returns data keys in clear.
	Shared  bool `json:"shared,omitempty"`
	Deleted bool `json:"deleted,omitempty"`
}

// DEK is a data encryption key of a subject.
type DEK struct {
	KEKName   string `json:"kekName,omitempty"`
	Subject   string `json:"subject"`
	Version   int    `json:"version,omitempty"` // counts from 1
	Algorithm string `json:"algorithm"`         // "AES128_GCM", "AES256_GCM" or "AES256_SIV"
	// EncryptedKeyMaterial is the key, wrapped by the KEK, in base64. A request
	// for a shared KEK leaves EncryptedKeyMaterial empty.
	EncryptedKeyMaterial string `json:"encryptedKeyMaterial,omitempty"`
	// KeyMaterial is the key in clear, in base64, for a shared KEK.
	KeyMaterial Secret `json:"keyMaterial,omitempty"`
	Timestamp   int64  `json:"ts,omitempty"` // of the creation, in Unix milliseconds
	Deleted     bool   `json:"deleted,omitempty"`
}

// Format prints the key's names without any key material, whatever the verb.
func (d DEK) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "DEK{kek %s, subject %s, version %d, algorithm %s}", d.KEKName, d.Subject, d.Version, d.Algorithm)
}

// Secret is a text that is hidden when it is printed, logged or encoded.
type Secret string

const hidden = "(hidden)"

// Format prints nothing of the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, s.mask()) }

// LogValue hides the secret in a log.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.mask()) }

// MarshalText hides the secret in JSON and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.mask()), nil }

// GobEncode always fails, because gob would write the secret into a file.
func (s Secret) GobEncode() ([]byte, error) {
	return nil, errors.New("contract: a secret cannot be written with encoding/gob")
}

// GobDecode always fails, as [Secret.GobEncode] does.
func (s *Secret) GobDecode([]byte) error {
	return errors.New("contract: a secret cannot be read with encoding/gob")
}

// UnmarshalText reads the secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

func (s Secret) mask() string {
	if s == "" {
		return ""
	}
	return hidden
}
