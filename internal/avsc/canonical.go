package avsc

import "strconv"

// Canonical returns the parsing canonical form: section "Parsing Canonical Form
// for Schemas". Two schemas with equal forms read and write the same bytes.
func (s *Schema) Canonical() string {
	return string(s.appendCanonical(nil, map[*Schema]bool{}))
}

func (s *Schema) appendCanonical(dst []byte, seen map[*Schema]bool) []byte {
	quoted := func(key, text string) {
		dst = append(dst, key...)
		dst = AppendQuoted(dst, text)
	}
	if s.Kind.Named() {
		if seen[s] {
			return AppendQuoted(dst, s.Name)
		}
		seen[s] = true
		quoted(`{"name":`, s.Name)
	}
	switch s.Kind {
	case Record:
		dst = append(dst, `,"type":"record","fields":[`...)
		for i, f := range s.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			quoted(`{"name":`, f.Name)
			dst = append(dst, `,"type":`...)
			dst = f.Type.appendCanonical(dst, seen)
			dst = append(dst, '}')
		}
		return append(dst, "]}"...)
	case Enum:
		dst = append(dst, `,"type":"enum","symbols":[`...)
		for i, sym := range s.Symbols {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendQuoted(dst, sym.Name)
		}
		return append(dst, "]}"...)
	case Fixed:
		dst = append(dst, `,"type":"fixed","size":`...)
		dst = strconv.AppendInt(dst, int64(s.Size), 10)
		return append(dst, '}')
	case Array:
		dst = append(dst, `{"type":"array","items":`...)
		dst = s.Elem.appendCanonical(dst, seen)
		return append(dst, '}')
	case Map:
		dst = append(dst, `{"type":"map","values":`...)
		dst = s.Elem.appendCanonical(dst, seen)
		return append(dst, '}')
	case Union:
		dst = append(dst, '[')
		for i, b := range s.Branches {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = b.appendCanonical(dst, seen)
		}
		return append(dst, ']')
	default:
		return AppendQuoted(dst, s.Kind.String())
	}
}

// Fingerprint returns the CRC-64-AVRO of the parsing canonical form: section
// "Schema Fingerprints". Single-object encoding writes it in little-endian.
func (s *Schema) Fingerprint() uint64 {
	return crc64Avro([]byte(s.Canonical()))
}

const crc64Empty = 0xc15d213aa4d7a795

// crc64Avro goes bit by bit: schemas are short and fingerprints are kept.
func crc64Avro(data []byte) uint64 {
	sum := uint64(crc64Empty)
	for _, c := range data {
		sum ^= uint64(c)
		for range 8 {
			sum = sum>>1 ^ crc64Empty&-(sum&1)
		}
	}
	return sum
}
