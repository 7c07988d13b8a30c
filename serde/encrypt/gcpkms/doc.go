// Package gcpkms uses the keys of Google Cloud KMS for the encryption rules of
// package encrypt. The package is a module of its own, because it brings
// Google's client libraries.
//
//	kms, err := gcpkms.New()
//	keys, err := encrypt.NewKeys(reg, encrypt.WithKMS(kms))
//
// The KEK has the KMS type "gcp-kms". Its key id is the resource name of the
// key: "projects/P/locations/L/keyRings/R/cryptoKeys/K".
package gcpkms
