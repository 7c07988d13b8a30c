package serde

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

// Header is a Kafka record header.
type Header struct {
	Key   string
	Value []byte
}

// These values are the first byte of a payload, or of the header with a schema
// id.
const (
	magicID   = 0x00 // Confluent V0; the id as a big-endian int32 follows
	magicGUID = 0x01 // Confluent V1; the 16 bytes of the GUID follow
)

// These are the first bytes of Avro's single-object encoding. The schema's
// CRC-64-AVRO follows as 8 bytes in little-endian order.
const (
	magicSingle0 = 0xC3
	magicSingle1 = 0x01
)

const (
	idPrefixLen     = 1 + 4
	guidPrefixLen   = 1 + 16
	longPrefixLen   = 1 + 8 // Apicurio's
	singlePrefixLen = 2 + 8
)

const (
	valueIDHeader = "__value_schema_id"
	keyIDHeader   = "__key_schema_id"
)

func idHeaderKey(p Part) string {
	if p == Key {
		return keyIDHeader
	}
	return valueIDHeader
}

func apicurioHeaderKeys(p Part) [2]string {
	if p == Key {
		return [2]string{"apicurio.key.contentId", "apicurio.key.globalId"}
	}
	return [2]string{"apicurio.value.contentId", "apicurio.value.globalId"}
}

// IsIDHeader reports whether a message header with this name contains the
// schema id of part p. The names are Confluent's name ("__value_schema_id") and
// Apicurio's names ("apicurio.value.contentId", "apicurio.value.globalId").
//
// Such a header belongs to the bytes that a [Binding] wrote. A header that was
// copied from another message names the wrong schema, and readers would use the
// wrong schema. So a program that sends the bytes of a Binding must remove such
// headers, except for [Binding.Header]. Package producer removes the headers.
func IsIDHeader(name string, p Part) bool {
	if name == idHeaderKey(p) {
		return true
	}
	apicurio := apicurioHeaderKeys(p)
	return name == apicurio[0] || name == apicurio[1]
}

func appendIDPrefix(dst []byte, id int32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, magicID), uint32(id))
}

func appendGUID(dst []byte, guid uuid.UUID) []byte {
	return append(append(dst, magicGUID), guid[:]...)
}

// schemaID is the schema id of a message, in one of the forms of idKind.
type schemaID struct {
	kind   idKind
	hi, lo uint64 // the two halves of a GUID; the other kinds use lo alone
}

type idKind uint8

const (
	confluentID idKind = iota
	schemaGUID
	apicurioID
	fingerprint
)

func (id schemaID) guid() (g uuid.UUID) {
	binary.BigEndian.PutUint64(g[:8], id.hi)
	binary.BigEndian.PutUint64(g[8:], id.lo)
	return g
}

// bareBytes reports whether the payload of a schema of type bytes is the bytes
// without their length. Only Confluent's serializers leave the length out.
// Apicurio's serializers and Avro's single objects have it.
func (id schemaID) bareBytes() bool { return id.kind == confluentID || id.kind == schemaGUID }

func (id schemaID) String() string {
	switch id.kind {
	case schemaGUID:
		return "GUID " + id.guid().String()
	case fingerprint:
		return fmt.Sprintf("fingerprint %016x", id.lo)
	default:
		return fmt.Sprintf("id %d", id.lo)
	}
}

func readID(b []byte) schemaID {
	return schemaID{kind: confluentID, lo: uint64(binary.BigEndian.Uint32(b))}
}

func readGUID(b []byte) schemaID {
	return schemaID{schemaGUID, binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// frame returns the schema id and the bare Avro data of a message. It checks
// the headers first, because a header with an id means that the payload is
// bare.
func (s *source) frame(in *Input) (id schemaID, data []byte, err error) {
	data = in.Data
	if data == nil {
		return id, nil, ErrTombstone
	}
	if in.Header != nil {
		id, ok, err := s.headerID(in)
		if ok || err != nil {
			return id, data, err
		}
	}
	if len(data) >= idPrefixLen && data[0] == magicID && !s.apicurioPrefix {
		return readID(data[1:]), data[idPrefixLen:], nil
	}
	switch {
	case len(data) >= longPrefixLen && data[0] == magicID && s.apicurioPrefix:
		return schemaID{kind: apicurioID, lo: binary.BigEndian.Uint64(data[1:])}, data[longPrefixLen:], nil
	case len(data) >= guidPrefixLen && data[0] == magicGUID:
		return readGUID(data[1:]), data[guidPrefixLen:], nil
	case len(data) >= singlePrefixLen && data[0] == magicSingle0 && data[1] == magicSingle1 && s.known != nil:
		return schemaID{kind: fingerprint, lo: binary.LittleEndian.Uint64(data[2:])}, data[singlePrefixLen:], nil
	}
	return id, nil, s.describe(in, fmt.Errorf("%w: the %s, %s, %s", ErrNotFramed, in.Part, describeStart(data), s.whyNotFramed(in)))
}

// headerID returns the schema id in a header. ok is false if there is no such
// header.
func (s *source) headerID(in *Input) (id schemaID, ok bool, err error) {
	key := idHeaderKey(in.Part)
	if v, there := in.Header(key); there && v != nil {
		switch {
		case len(v) == guidPrefixLen && v[0] == magicGUID:
			return readGUID(v[1:]), true, nil
		case len(v) == idPrefixLen && v[0] == magicID:
			return readID(v[1:]), true, nil
		}
		return id, false, s.describe(in, fmt.Errorf("%w: header %s holds %s", ErrNotFramed, key, describeStart(v)))
	}
	if !s.apicurioHeaders {
		return id, false, nil
	}
	for _, key := range apicurioHeaderKeys(in.Part) {
		if v, there := in.Header(key); there && v != nil {
			if len(v) != 8 {
				return id, false, s.describe(in, fmt.Errorf("%w: header %s holds %s", ErrNotFramed, key, describeStart(v)))
			}
			return schemaID{kind: apicurioID, lo: binary.BigEndian.Uint64(v)}, true, nil
		}
	}
	return id, false, nil
}

// describeStart describes the beginning of data for an error text. The text
// shows enough to recognise the framing, and too little to read the message.
func describeStart(data []byte) string {
	const most = 6
	if len(data) > most {
		return fmt.Sprintf("%d bytes (%x…)", len(data), data[:most])
	}
	return fmt.Sprintf("%d bytes (%x)", len(data), data)
}
