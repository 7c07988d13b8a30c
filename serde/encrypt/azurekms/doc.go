// Package azurekms uses the keys of Azure Key Vault for the encryption rules of
// package encrypt. The package is a module of its own, because it brings the
// Azure SDK.
//
//	kms, err := azurekms.New()
//	keys, err := encrypt.NewKeys(reg, encrypt.WithKMS(kms))
//
// The KEK has the KMS type "azure-kms". Its key id is the URL of an RSA key:
// "https://NAME.vault.azure.net/keys/orders/0123456789abcdef". As in Confluent's
// clients, the algorithm is RSA-OAEP-256. Without a version in the URL, Key
// Vault uses the current version of the key. A data key that an earlier version
// wrapped then cannot be read after a rotation, so give the version.
package azurekms
