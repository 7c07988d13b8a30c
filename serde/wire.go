package serde

import (
	"encoding/binary"

	"github.com/google/uuid"
)

// Header is a Kafka record header.
type Header struct {
	Key   string
	Value []byte
}

// The headers that carry a schema's GUID: one byte 01, then the 16 bytes.
const (
	keyIDHeader   = "__key_schema_id"
	valueIDHeader = "__value_schema_id"
)

// The first byte of a framed payload.
const (
	magicID   = 0x00 // Confluent V0: the id as a big-endian int32 follows
	magicGUID = 0x01 // Confluent V1: the GUID's 16 bytes follow
)

const (
	idPrefixLen   = 1 + 4
	guidPrefixLen = 1 + 16
)

func idHeaderKey(p Part) string {
	if p == Key {
		return keyIDHeader
	}
	return valueIDHeader
}

func appendIDPrefix(dst []byte, id int32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, magicID), uint32(id))
}

func appendGUID(dst []byte, guid uuid.UUID) []byte {
	return append(append(dst, magicGUID), guid[:]...)
}
