package settings

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // OpenSSL has encrypted keys with DES
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // OpenSSL has derived keys with SHA-1
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// These are the object identifiers of PBES2 (RFC 8018) that OpenSSL uses.
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13} //nolint:gochecknoglobals // never changed
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12} //nolint:gochecknoglobals // never changed

	pbesHashes = map[string]func() hash.Hash{ //nolint:gochecknoglobals // never changed
		"1.2.840.113549.2.7":  sha1.New,
		"1.2.840.113549.2.9":  sha256.New,
		"1.2.840.113549.2.10": sha512.New384,
		"1.2.840.113549.2.11": sha512.New,
	}
	pbesCiphers = map[string]struct { //nolint:gochecknoglobals // never changed
		keySize int
		make    func([]byte) (cipher.Block, error)
	}{
		"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
		"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
		"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
	}
)

type encryptedKey struct {
	Algorithm struct {
		ID     asn1.ObjectIdentifier
		Params struct{ Derivation, Encryption pkix.AlgorithmIdentifier }
	}
	Data []byte
}

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
}

// errEncryption says that this package does not support the encryption of a
// key. OpenSSL may support the encryption.
var errEncryption = errors.New("is encrypted in another way")

// maxIterations limits the work that a key file can cause.
const maxIterations = 10_000_000

// decryptPKCS8 decrypts a key of the PEM type ENCRYPTED PRIVATE KEY.
func decryptPKCS8(der, password []byte) ([]byte, error) {
	var key encryptedKey
	if _, err := asn1.Unmarshal(der, &key); err != nil {
		return nil, fmt.Errorf("%w than PBES2: %w", errEncryption, err)
	}
	derivation, encryption := key.Algorithm.Params.Derivation, key.Algorithm.Params.Encryption
	if !key.Algorithm.ID.Equal(oidPBES2) || !derivation.Algorithm.Equal(oidPBKDF2) {
		return nil, fmt.Errorf("%w than PBES2 with PBKDF2", errEncryption)
	}
	var params pbkdf2Params
	if _, err := asn1.Unmarshal(derivation.Parameters.FullBytes, &params); err != nil {
		return nil, err
	}
	newHash := sha1.New // the default of the standard
	if len(params.Hash.Algorithm) > 0 {
		if newHash = pbesHashes[params.Hash.Algorithm.String()]; newHash == nil {
			return nil, fmt.Errorf("%w: hash %s", errEncryption, params.Hash.Algorithm)
		}
	}
	method, ok := pbesCiphers[encryption.Algorithm.String()]
	var iv []byte
	if _, err := asn1.Unmarshal(encryption.Parameters.FullBytes, &iv); !ok || err != nil {
		return nil, fmt.Errorf("%w: cipher %s", errEncryption, encryption.Algorithm)
	}
	if params.Iterations < 1 || params.Iterations > maxIterations {
		return nil, fmt.Errorf("asks for %d iterations", params.Iterations)
	}
	secret, err := pbkdf2.Key(newHash, string(password), params.Salt, params.Iterations, method.keySize)
	if err != nil {
		return nil, err
	}
	block, err := method.make(secret)
	if err != nil {
		return nil, err
	}
	size := block.BlockSize()
	if len(iv) != size || len(key.Data) == 0 || len(key.Data)%size != 0 {
		return nil, errors.New("is damaged")
	}
	plain := make([]byte, len(key.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, key.Data)
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > size {
		return nil, errors.New("the password is wrong")
	}
	plain = plain[:len(plain)-padding]
	var seq asn1.RawValue
	if rest, err := asn1.Unmarshal(plain, &seq); err != nil || len(rest) > 0 {
		return nil, errors.New("the password is wrong")
	}
	return plain, nil
}
