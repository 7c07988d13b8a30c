// Package hcvault uses the transit keys of HashiCorp Vault for the encryption
// rules of package encrypt. The package is a module of its own, because it
// brings Vault's client.
//
//	kms, err := hcvault.New("https://vault.example.com:8200")
//	keys, err := encrypt.NewKeys(reg, encrypt.WithKMS(kms))
//
// The KEK has the KMS type "hcvault". Its key id is the URL of the key:
// "https://vault.example.com:8200/transit/keys/orders". A key id without a
// scheme means https. A KMS has the keys of one address only, because every
// request carries Vault's token. A registry entry with another address must not
// receive the token.
package hcvault
