// Package encrypt runs the encryption rules of a schema registry: ENCRYPT for
// tagged fields and ENCRYPT_PAYLOAD for whole payloads. Confluent's clients
// read what it writes, and it reads what they write.
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
// encryption key (KEK) wraps the DEK. The KEK lies in a key management system
// (KMS), and the wrapped DEK lies in the registry. A writer makes the KEK's
// entry and the DEK if they do not exist. The parameters are those of the rule,
// or else the properties of the schema's metadata:
//
//	encrypt.kek.name         name of the KEK in the registry; required
//	encrypt.kms.type         such as "local-kms" or "aws-kms"; to make the KEK
//	encrypt.kms.key.id       key id within the KMS; to make the KEK
//	encrypt.dek.algorithm    AES256_GCM (default), AES128_GCM or AES256_SIV
//	encrypt.dek.expiry.days  after so many days a writer makes a new DEK
//
// The KMS of a shared KEK is the registry's own affair: the registry hands out
// the DEK itself.
//
// # What is written
//
// A string field becomes the base64 of the ciphertext, and a bytes field
// becomes the ciphertext. Null stays null. A tag on a field of arrays, maps or
// unions applies to the strings and bytes inside them. A tagged value of
// another type is an error, because it cannot be encrypted. With
// encrypt.dek.expiry.days the version of the DEK goes before the ciphertext, as
// a zero byte and a big-endian int32.
package encrypt
