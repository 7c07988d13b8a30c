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

// The first byte of a payload, or of the header that carries a schema's id.
const (
	magicID   = 0x00 // Confluent V0: the id as a big-endian int32 follows
	magicGUID = 0x01 // Confluent V1: the GUID's 16 bytes follow
)

// The first bytes of Avro's single-object encoding; 8 bytes of the schema's
// CRC-64-AVRO follow, little-endian.
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

func idHeaderKey(p Part) string {
	if p == Key {
		return "__key_schema_id"
	}
	return "__value_schema_id"
}

func apicurioHeaderKeys(p Part) [2]string {
	if p == Key {
		return [2]string{"apicurio.key.contentId", "apicurio.key.globalId"}
	}
	return [2]string{"apicurio.value.contentId", "apicurio.value.globalId"}
}

func appendIDPrefix(dst []byte, id int32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, magicID), uint32(id))
}

func appendGUID(dst []byte, guid uuid.UUID) []byte {
	return append(append(dst, magicGUID), guid[:]...)
}

// wireID is what a message says of its schema.
type wireID struct {
	kind   wireKind
	hi, lo uint64 // the two halves of a GUID; else lo alone
}

type wireKind uint8

const (
	confluentID wireKind = iota
	schemaGUID
	apicurioID
	fingerprint
)

func (w wireID) guid() (g uuid.UUID) {
	binary.BigEndian.PutUint64(g[:8], w.hi)
	binary.BigEndian.PutUint64(g[8:], w.lo)
	return g
}

func (w wireID) String() string {
	switch w.kind {
	case schemaGUID:
		return "GUID " + w.guid().String()
	case fingerprint:
		return fmt.Sprintf("fingerprint %016x", w.lo)
	default:
		return fmt.Sprintf("id %d", w.lo)
	}
}

func confluent(b []byte) wireID {
	return wireID{kind: confluentID, lo: uint64(binary.BigEndian.Uint32(b))}
}

func guidID(b []byte) wireID {
	return wireID{schemaGUID, binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// frame finds the schema's id and the bare record of a message. Headers come
// first: they say that the payload is bare, whatever it begins with.
func (s *source) frame(in *Input) (id wireID, data []byte, err error) {
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
		return confluent(data[1:]), data[idPrefixLen:], nil
	}
	switch {
	case len(data) >= longPrefixLen && data[0] == magicID && s.apicurioPrefix:
		return wireID{kind: apicurioID, lo: binary.BigEndian.Uint64(data[1:])}, data[longPrefixLen:], nil
	case len(data) >= guidPrefixLen && data[0] == magicGUID:
		return guidID(data[1:]), data[guidPrefixLen:], nil
	case len(data) >= singlePrefixLen && data[0] == magicSingle0 && data[1] == magicSingle1 && s.known != nil:
		return wireID{kind: fingerprint, lo: binary.LittleEndian.Uint64(data[2:])}, data[singlePrefixLen:], nil
	}
	return id, nil, s.notFramed(in)
}

// headerID is the id that a header says, ok false where there is none.
func (s *source) headerID(in *Input) (id wireID, ok bool, err error) {
	key := idHeaderKey(in.Part)
	if v, there := in.Header(key); there && v != nil {
		switch {
		case len(v) == guidPrefixLen && v[0] == magicGUID:
			return guidID(v[1:]), true, nil
		case len(v) == idPrefixLen && v[0] == magicID:
			return confluent(v[1:]), true, nil
		}
		return id, false, s.describe(in, fmt.Errorf("%w: header %s holds %s", ErrNotFramed, key, glimpse(v)))
	}
	if !s.apicurioHeaders {
		return id, false, nil
	}
	for _, key := range apicurioHeaderKeys(in.Part) {
		if v, there := in.Header(key); there && v != nil {
			if len(v) != 8 {
				return id, false, s.describe(in, fmt.Errorf("%w: header %s holds %s", ErrNotFramed, key, glimpse(v)))
			}
			return wireID{kind: apicurioID, lo: binary.BigEndian.Uint64(v)}, true, nil
		}
	}
	return id, false, nil
}

func (s *source) notFramed(in *Input) error {
	data := in.Data
	why := "does not begin as any framing that is read here"
	switch {
	case len(data) == 0:
		why = "is empty (a tombstone is null)"
	case data[0] == magicID, data[0] == magicGUID:
		why = "ends inside the schema id"
	case len(data) > 1 && data[0] == magicSingle0 && data[1] == magicSingle1 && s.known == nil:
		why = "is a single-object encoding: name its schemas by WithSchemas"
	case data[0] == '{', data[0] == '[':
		why = "looks like JSON"
	}
	return s.describe(in, fmt.Errorf("%w: the %s, %s, %s", ErrNotFramed, in.Part, glimpse(data), why))
}

// glimpse is the beginning of data for an error's text: enough to know the
// framing, too little to tell what was in the message.
func glimpse(data []byte) string {
	const most = 6
	if len(data) > most {
		return fmt.Sprintf("%d bytes (%x…)", len(data), data[:most])
	}
	return fmt.Sprintf("%d bytes (%x)", len(data), data)
}
