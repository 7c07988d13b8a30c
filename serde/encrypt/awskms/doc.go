// Package awskms uses the keys of AWS KMS for the encryption rules of package
// encrypt. The package is a module of its own, because it brings the AWS SDK.
//
//	kms, err := awskms.New()
//	keys, err := encrypt.NewKeys(reg, encrypt.WithKMS(kms))
//
// The KEK has the KMS type "aws-kms". Its key id is the ARN of a key or of an
// alias, such as "arn:aws:kms:eu-west-1:111122223333:key/1234". The region
// comes from the ARN.
package awskms
