// Package encrypt runs the encryption rules of a schema registry: ENCRYPT for
// tagged fields and ENCRYPT_PAYLOAD for whole payloads. The package is
// compatible with Confluent's clients in both directions.
//
//	keys, err := encrypt.NewKeys(reg, encrypt.WithKMS(kms))
//	defer keys.Close()
//	rules := serde.WithRules(keys.Executors()...)
//	ser, err := serde.NewSerializer(reg, rules)
//	des, err := serde.NewDeserializer[orders.OrderCreated](reg, rules)
//
// # Keys
//
// A data encryption key (DEK) encrypts the records of one subject. A key
// encryption key (KEK) wraps the DEK. The KEK is stored in a key management
// system (KMS), and the wrapped DEK is stored in the registry. A writer creates
// the KEK's entry and the DEK if they do not exist. A parameter comes from the
// rule, or else from the properties of the schema's metadata:
//
//	encrypt.kek.name         name of the KEK in the registry; required
//	encrypt.kms.type         such as "local-kms" or "aws-kms"; to make the KEK
//	encrypt.kms.key.id       key id within the KMS; to make the KEK
//	encrypt.dek.algorithm    AES256_GCM (default), AES128_GCM or AES256_SIV
//	encrypt.dek.expiry.days  number of days after which a writer makes a new DEK
//
// For a shared KEK, the registry uses the KMS. The registry then returns the
// unwrapped DEK, and this package needs no KMS.
//
// # Written data
//
// A string field becomes the base64 of the ciphertext, and a bytes field
// becomes the ciphertext. Null stays null. A tag on a field of arrays, maps or
// unions applies to the strings and bytes inside. A tagged value of another
// type is an error, because such a value cannot be encrypted. With
// encrypt.dek.expiry.days, the version of the DEK precedes the ciphertext, as a
// zero byte and a big-endian int32.
package encrypt
