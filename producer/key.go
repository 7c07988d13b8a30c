package producer

import (
	"context"
	"fmt"

	"github.com/avroline/avroline/serde/avrobin"
)

// KeyFunc returns the key of a record. [KeyBy], [KeyBytes], [KeyRecord] and
// [NoKey] make a KeyFunc. The function runs on the publishing goroutine and
// must be safe for concurrent use. If the function panics, the message is
// [ErrNotSent]. The zero KeyFunc is NoKey. A KeyFunc of a nil function is an
// error of the topic.
type KeyFunc[R avrobin.Record] struct {
	text   func(R) string
	bytes  func(R, []byte) []byte
	record func(R) avrobin.Record
	sample avrobin.Record // a nil key record, for its schema
	err    error          // the function is nil
}

// KeyBy uses a string as the key. An empty string is a key too.
func KeyBy[R avrobin.Record](f func(R) string) KeyFunc[R] {
	if f == nil {
		return nilKeyFunc[R]("KeyBy")
	}
	return KeyFunc[R]{text: f}
}

// KeyBytes lets f append the key to dst, without an allocation. A nil result
// means no key. dst is never nil, so a key of no bytes appended to dst is an
// empty key.
func KeyBytes[R avrobin.Record](f func(r R, dst []byte) []byte) KeyFunc[R] {
	if f == nil {
		return nilKeyFunc[R]("KeyBytes")
	}
	return KeyFunc[R]{bytes: f}
}

// KeyRecord uses an Avro record as the key. The key has its own subject, for
// example "orders-key". A nil key record is an error.
func KeyRecord[R, K avrobin.Record](f func(R) K) KeyFunc[R] {
	if f == nil {
		return nilKeyFunc[R]("KeyRecord")
	}
	var none K
	return KeyFunc[R]{record: func(r R) avrobin.Record { return f(r) }, sample: none}
}

// nilKeyFunc is the KeyFunc of a nil function.
func nilKeyFunc[R avrobin.Record](name string) KeyFunc[R] {
	return KeyFunc[R]{err: fmt.Errorf("%s: the function is nil: use NoKey for messages without a key", name)}
}

// NoKey means that messages have no key. The partitioner distributes the
// messages.
func NoKey[R avrobin.Record]() KeyFunc[R] { return KeyFunc[R]{} }

// none reports whether f is [NoKey].
func (f *KeyFunc[R]) none() bool { return f.text == nil && f.bytes == nil && f.record == nil }

// Key overrides a topic's KeyFunc. The zero Key overrides nothing.
type Key struct {
	kind   keyKind
	text   string
	bytes  []byte
	record avrobin.Record
}

type keyKind uint8

const (
	keyUnset keyKind = iota
	keyText
	keyBytes
	keyRecord
)

// StringKey makes a key from a string.
func StringKey(s string) Key { return Key{kind: keyText, text: s} }

// BytesKey makes a key from bytes. nil means no key, and an empty slice means
// an empty key.
func BytesKey(b []byte) Key { return Key{kind: keyBytes, bytes: b} }

// RecordKey makes a key from an Avro record.
func RecordKey(r avrobin.Record) Key { return Key{kind: keyRecord, record: r} }

// appendKey appends the key of r to the buffer.
func (f *KeyFunc[R]) appendKey(ctx context.Context, s *outgoing, r R) (err error) {
	s.step = "the key function"
	if f.none() {
		return nil
	}
	if isNil(r) {
		return errNilRecord
	}
	switch {
	case f.text != nil:
		s.buf, s.keyed, s.ids.key = append(s.buf, f.text(r)...), true, true
	case f.bytes != nil:
		if b := f.bytes(r, s.buf); b != nil {
			s.buf, s.keyed = copyForeign(s.buf, b), true
		}
	case f.record != nil:
		err = s.appendKeyRecord(ctx, f.record(r))
	}
	return err
}

// appendTo appends an overriding key.
func (k *Key) appendTo(ctx context.Context, s *outgoing) (err error) {
	switch k.kind {
	case keyUnset: // nothing overrides
	case keyText:
		s.buf, s.keyed, s.ids.key = append(s.buf, k.text...), true, true
	case keyBytes:
		s.buf, s.keyed = append(s.buf, k.bytes...), k.bytes != nil
	case keyRecord:
		err = s.appendKeyRecord(ctx, k.record)
	}
	return err
}
