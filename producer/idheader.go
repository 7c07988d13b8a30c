package producer

import (
	"slices"
	"unsafe"

	"github.com/avroline/avroline/serde"
)

// idHeaders says which parts of a message were written by this producer. The
// schema id header of such a part belongs to the producer. A header of that
// name from elsewhere, such as a header that was copied from a consumed
// message, names another schema and would make the message unreadable.
type idHeaders struct {
	value, key     bool
	valueID, keyID []byte // the header's own value; nil if the id is in the prefix
}

// dropForeign removes the schema id headers that do not belong to the message.
func (ids *idHeaders) dropForeign(headers []serde.Header) []serde.Header {
	if len(headers) == 0 || !ids.value && !ids.key {
		return headers
	}
	return slices.DeleteFunc(headers, func(h serde.Header) bool {
		return ids.value && serde.IsIDHeader(h.Key, serde.Value) && !sameBytes(h.Value, ids.valueID) ||
			ids.key && serde.IsIDHeader(h.Key, serde.Key) && !sameBytes(h.Value, ids.keyID)
	})
}

// sameBytes reports whether a and b are the same memory.
func sameBytes(a, b []byte) bool {
	return a != nil && unsafe.SliceData(a) == unsafe.SliceData(b)
}
