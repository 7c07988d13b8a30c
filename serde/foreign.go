package serde

import (
	"bytes"
	"strings"
)

// This file names the framings that a Deserializer does not read. So an error
// can name the serializer of the message.

const (
	azureHeader   = "content-type"
	azureHeaderID = "avro/binary+" // the schema id follows as 32 hex digits
	azureNote     = "is framed for Azure Schema Registry, which this package does not read"
	confluentNote = "write it with a serializer for Confluent's format"
)

// whyNotFramed describes a payload without a schema id in a few words. The
// words follow "the value, 12 bytes (…)".
func (s *source) whyNotFramed(in *Input) string {
	data := in.Data
	starts := func(prefix ...byte) bool { return bytes.HasPrefix(data, prefix) }
	if why := s.foreignHeader(in); why != "" {
		return why
	}
	text := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(data) == 0:
		return "is empty (a tombstone is null)"
	case starts(magicID), starts(magicGUID):
		return "ends inside the schema id"
	case starts(magicSingle0, magicSingle1) && s.known == nil:
		return "is a single-object encoding: name its schemas by WithSchemas"
	case starts(magicSingle0, magicSingle1):
		return "ends inside the fingerprint of a single-object encoding"
	case len(data) >= 2+16 && (starts(0x03, 0x00) || starts(0x03, 0x05)):
		return "is framed for AWS Glue Schema Registry (03, compression, UUID), which this package does not read: " + confluentNote
	case starts(0x02), starts(0x03):
		return "may be framed for the registry of Hortonworks or Cloudera, which this package does not read: " + confluentNote
	case starts('O', 'b', 'j', 0x01):
		return "is an Avro object container file, not one record"
	case starts(0x1f, 0x8b):
		return "is compressed by gzip: let Kafka compress instead"
	case starts(0x28, 0xb5, 0x2f, 0xfd):
		return "is compressed by zstd: let Kafka compress instead"
	case len(text) > 0 && (text[0] == '{' || text[0] == '['):
		return "looks like JSON"
	}
	return "does not begin with any framing that is read here"
}

// foreignHeader recognises framings by their headers. It returns "" if it
// recognises nothing.
func (s *source) foreignHeader(in *Input) string {
	if in.Header == nil {
		return ""
	}
	if v, ok := in.Header(azureHeader); ok && strings.HasPrefix(strings.ToLower(string(v)), azureHeaderID) {
		return azureNote + " (the header " + azureHeader + " has the schema id): " + confluentNote
	}
	if !s.apicurioHeaders {
		for _, key := range apicurioHeaderKeys(in.Part) {
			if v, ok := in.Header(key); ok && v != nil {
				return "has Apicurio's header " + key + ": use the option ApicurioHeaders"
			}
		}
	}
	return ""
}

// otherFraming names another framing that the message may have. It is called if
// the registry does not know the id, or if the data does not fit the schema. It
// returns "" if nothing indicates another framing.
func (s *source) otherFraming(in *Input, id schemaID) string {
	if why := s.foreignHeader(in); why != "" {
		return "the " + in.Part.String() + " " + why
	}
	data := in.Data
	switch {
	case id.kind == confluentID && len(data) >= 4+32 && bytes.HasPrefix(data, []byte{0, 0, 0, 0}) && isHex(data[4:4+32]):
		return "the " + in.Part.String() + " " + azureNote + " (00 00 00 00 and 32 hex digits): " + confluentNote
	case id.kind == confluentID && id.lo == 0 && len(data) >= longPrefixLen:
		return "if a serializer of Apicurio wrote an id of eight bytes, use the option ApicurioPrefix"
	}
	return ""
}

func isHex(b []byte) bool {
	for _, c := range b {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}
