package avsc

import (
	"encoding/binary"
	"hash/crc64"

	"github.com/avroline/avroline/internal/scc"
)

// Fingerprint returns the CRC-64-AVRO of the parsing canonical form (section
// "Schema Fingerprints"). Single-object encoding writes the fingerprint in
// little-endian.
func (s *Schema) Fingerprint() uint64 {
	return rabinOf([]byte(s.Canonical())).fingerprint()
}

// MeaningFingerprint returns the CRC-64-AVRO of the parsing canonical form with
// all valid logical types. Schemas without a difference by [Compare] have equal
// meaning fingerprints.
func (s *Schema) MeaningFingerprint() uint64 {
	c := canonical{seen: map[*Schema]bool{}, logical: true}
	return rabinOf(c.append(nil, s)).fingerprint()
}

// Fingerprinter computes the meaning fingerprints of many schemas that contain
// each other. In a chain of n types, the canonical forms of all types have a
// length in the order of n². A Fingerprinter computes the checksum of each type
// once and joins the checksums of the parts. A Fingerprinter is not safe for
// concurrent use.
type Fingerprinter struct {
	types *scc.Finder[*Schema]
	index map[*Schema]int    // numbers the named types
	parts map[*Schema]bitset // the type itself and the named types inside
	known map[string]form    // by type and by the parts that were already defined
	seen  bitset             // the types that the current form has defined
}

// form is the part of a canonical form that one type has. A type in a loop may
// leave out parts that the form defines later.
type form struct {
	sum     rabin
	defined bitset // the types that are defined after the part, of the type's own parts
}

// NewFingerprinter returns a Fingerprinter.
func NewFingerprinter() *Fingerprinter {
	f := &Fingerprinter{index: map[*Schema]int{}, parts: map[*Schema]bitset{}, known: map[string]form{}}
	f.types = scc.New((*Schema).eachNamed, func(component []*Schema) {
		var all bitset
		for _, s := range component {
			f.index[s] = len(f.index)
			all.add(f.index[s])
		}
		for _, s := range component {
			s.eachNamed(func(part *Schema) { all.join(f.parts[part]) })
		}
		for _, s := range component {
			f.parts[s] = all
		}
	})
	return f
}

// eachNamed calls visit for the named types inside s. It does not look inside
// of these types.
func (s *Schema) eachNamed(visit func(*Schema)) {
	s.EachPart(func(part *Schema) {
		if part.Kind.Named() {
			visit(part)
		} else {
			part.eachNamed(visit)
		}
	})
}

// Meaning returns the result of [Schema.MeaningFingerprint].
func (f *Fingerprinter) Meaning(s *Schema) uint64 {
	f.seen = nil
	return f.form(s).fingerprint()
}

// form returns the checksum of the canonical form of s behind the form of the
// types in f.seen.
func (f *Fingerprinter) form(s *Schema) rabin {
	if !s.Kind.Named() {
		return f.join(s)
	}
	f.types.Visit(s)
	if f.seen.has(f.index[s]) {
		return rabinOf(AppendQuoted(nil, s.Name))
	}
	key := f.seen.key(f.index[s], f.parts[s])
	known, ok := f.known[key]
	if !ok {
		f.seen.add(f.index[s])
		known.sum = f.join(s)
		known.defined = f.seen.common(f.parts[s])
		f.known[key] = known
	}
	f.seen.join(known.defined)
	return known.sum
}

// join joins the checksums of the types in s with the text between them.
func (f *Fingerprinter) join(s *Schema) rabin {
	sum := rabinOf(nil)
	c := canonical{seen: map[*Schema]bool{}, logical: true}
	c.inside = func(dst []byte, part *Schema) []byte {
		if part.Kind.Primitive() {
			return c.append(dst, part)
		}
		sum = sum.then(rabinOf(dst)).then(f.form(part))
		return dst[:0]
	}
	last := c.append(nil, s)
	return sum.then(rabinOf(last))
}

// bitset is a set of small numbers.
type bitset []uint64

func (b bitset) has(n int) bool { return n/64 < len(b) && b[n/64]>>(n%64)&1 == 1 }

func (b *bitset) add(n int) {
	for n/64 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b *bitset) join(other bitset) {
	for len(*b) < len(other) {
		*b = append(*b, 0)
	}
	for i, word := range other {
		(*b)[i] |= word
	}
}

// common returns the numbers that b has in common with other.
func (b bitset) common(other bitset) bitset {
	both := make(bitset, min(len(b), len(other)))
	for i := range both {
		both[i] = b[i] & other[i]
	}
	return both
}

// key names the number n and the numbers that b has in common with other.
func (b bitset) key(n int, other bitset) string {
	key := binary.AppendUvarint(nil, uint64(n)) //nolint:gosec // not negative
	for i, word := range b.common(other) {
		if word != 0 {
			key = binary.AppendUvarint(key, uint64(i)) //nolint:gosec // not negative
			key = binary.LittleEndian.AppendUint64(key, word)
		}
	}
	return string(key)
}

// crc64Empty is the fingerprint of no bytes, and the polynomial of the
// checksum. The lowest bit is the highest power of x.
const crc64Empty = 0xc15d213aa4d7a795

var crc64Table = crc64.MakeTable(crc64Empty) //nolint:gochecknoglobals // never changes

// rabin is the checksum of a text that can be joined with the checksums of
// other texts. The numbers are polynomials modulo the polynomial of
// CRC-64-AVRO.
type rabin struct {
	sum   uint64 // the checksum of the text after a checksum of 0
	shift uint64 // x to the power of the number of bits of the text
}

func rabinOf(text []byte) rabin {
	r := rabin{shift: 1 << 63}
	for range text {
		r.shift = r.shift>>8 ^ crc64Table[byte(r.shift)]
	}
	r.sum = ^crc64.Update(^uint64(0), crc64Table, text) // Update inverts the bits before and after
	return r
}

// then returns the checksum of the text of r and the text of next.
func (r rabin) then(next rabin) rabin {
	return rabin{product(r.sum, next.shift) ^ next.sum, product(r.shift, next.shift)}
}

// fingerprint returns the CRC-64-AVRO of the text.
func (r rabin) fingerprint() uint64 { return product(crc64Empty, r.shift) ^ r.sum }

// product multiplies two polynomials.
func product(a, b uint64) (p uint64) {
	for ; b != 0; b <<= 1 {
		if b>>63 == 1 {
			p ^= a
		}
		a = a>>1 ^ crc64Empty&-(a&1)
	}
	return p
}
