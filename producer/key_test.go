package producer

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// guidStub is a registry that gives GUIDs.
type guidStub struct{ registryStub }

func (guidStub) Register(context.Context, string, contract.Schema) (contract.Version, error) {
	return contract.Version{ID: 1, GUID: uuid.UUID{1}}, nil
}

// TestEmptyIsNotNil checks that an empty key is not nil, and that the value of
// a record is not nil. A nil key is no key, and a nil value is a tombstone. The
// buffer of the pool is lost before each message, because the message before is
// too large for the pool.
func TestEmptyIsNotNil(t *testing.T) {
	t.Parallel()
	prefixed, err := serde.NewSerializer(registryStub{})
	if err != nil {
		t.Fatal(err)
	}
	inHeader, err := serde.NewSerializer(guidStub{}, serde.IDInHeader())
	if err != nil {
		t.Fatal(err)
	}
	nothing := KeyBytes(func(*emptyRecord, []byte) []byte { return nil })
	empty := KeyBytes(func(_ *emptyRecord, dst []byte) []byte { return append(dst, ""...) })
	for name, tc := range map[string]struct {
		serializer *serde.Serializer
		key        KeyFunc[*emptyRecord]
		message    Message[*emptyRecord]
		hasKey     bool
	}{
		"KeyBy":                     {prefixed, KeyBy(func(*emptyRecord) string { return "" }), Message[*emptyRecord]{}, true},
		"KeyBytes":                  {prefixed, empty, Message[*emptyRecord]{}, true},
		"KeyBytes of nil":           {prefixed, nothing, Message[*emptyRecord]{}, false},
		"StringKey":                 {prefixed, nothing, Message[*emptyRecord]{Key: StringKey("")}, true},
		"BytesKey":                  {prefixed, nothing, Message[*emptyRecord]{Key: BytesKey([]byte{})}, true},
		"BytesKey of nil":           {prefixed, empty, Message[*emptyRecord]{Key: BytesKey(nil)}, false},
		"StringKey of a tombstone":  {prefixed, nothing, Message[*emptyRecord]{Key: StringKey(""), Tombstone: true}, true},
		"BytesKey of a tombstone":   {prefixed, nothing, Message[*emptyRecord]{Key: BytesKey([]byte{}), Tombstone: true}, true},
		"a value without any bytes": {inHeader, nothing, Message[*emptyRecord]{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			topic := NewTopic("empty", tc.key)
			if !tc.message.Tombstone {
				tc.message.Value = &emptyRecord{}
			}
			for range 20 {
				if _, err := topic.Encode(t.Context(), prefixed, Message[*emptyRecord]{Value: &emptyRecord{}, Key: StringKey(strings.Repeat("x", 2*maxPooled))}); err != nil {
					t.Fatal(err)
				}
				e, err := topic.Encode(t.Context(), tc.serializer, tc.message)
				if err != nil {
					t.Fatal(err)
				}
				if (e.Key != nil) != tc.hasKey || len(e.Key) != 0 {
					t.Fatalf("key %#v, want a key: %t", e.Key, tc.hasKey)
				}
				if (e.Value == nil) != tc.message.Tombstone {
					t.Fatalf("value %#v of %+v", e.Value, tc.message)
				}
			}
		})
	}
}
