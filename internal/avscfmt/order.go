package avscfmt

import (
	"cmp"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
)

// keys is the conventional order of keys. First come the keys for kind and
// name, then the keys for the meaning, and then the keys for the parts. All
// other keys stand at the place of "", in their original order.
type keys []string

func schemaKeys() keys {
	return keys{
		"type", "name", "namespace", "doc", "aliases", "logicalType", "precision", "scale", "",
		"size", "symbols", "default", "items", "values", "fields",
	}
}

func fieldKeys() keys {
	return keys{"name", "type", "default", "doc", "order", "aliases", ""}
}

func protocolKeys() keys {
	return keys{"protocol", "namespace", "doc", "", "types", "messages"}
}

func messageKeys() keys {
	return keys{"doc", "", "request", "response", "errors", "one-way"}
}

// order sorts the members of an object. Comments move with their members.
func (it *item) order(by keys) {
	rank := func(c item) int {
		if i := slices.Index(by, c.key); i >= 0 {
			return i
		}
		return slices.Index(by, "")
	}
	slices.SortStableFunc(it.children, func(a, b item) int { return cmp.Compare(rank(a), rank(b)) })
}

// child returns the member with the given key.
func (it *item) child(key string) *item {
	if it.value.Kind != avsc.JSONObject {
		return nil
	}
	for i := range it.children {
		if it.children[i].key == key {
			return &it.children[i]
		}
	}
	return nil
}

// orderFile sorts all keys of a file. The file is a schema or a protocol.
func orderFile(it *item) {
	if it.child("protocol") == nil || it.child("type") != nil {
		orderSchema(it)
		return
	}
	it.order(protocolKeys())
	if types := it.child("types"); types != nil {
		orderSchema(types)
	}
	messages := it.child("messages")
	if messages == nil || messages.value.Kind != avsc.JSONObject {
		return
	}
	for i := range messages.children {
		m := &messages.children[i]
		if m.value.Kind != avsc.JSONObject {
			continue
		}
		m.order(messageKeys())
		orderFields(m.child("request"))
		for _, key := range []string{"response", "errors"} {
			if s := m.child(key); s != nil {
				orderSchema(s)
			}
		}
	}
}

// orderSchema sorts the keys of a schema and of the schemas inside. An array is
// a union. orderSchema does not change defaults and properties, because they
// are values and not schemas.
func orderSchema(it *item) {
	switch it.value.Kind {
	default: // the name of a type
	case avsc.JSONArray:
		for i := range it.children {
			orderSchema(&it.children[i])
		}
	case avsc.JSONObject:
		it.order(schemaKeys())
		for _, key := range []string{"type", "items", "values"} {
			if s := it.child(key); s != nil {
				orderSchema(s)
			}
		}
		orderFields(it.child("fields"))
	}
}

func orderFields(list *item) {
	if list == nil || list.value.Kind != avsc.JSONArray {
		return
	}
	for i := range list.children {
		f := &list.children[i]
		if f.value.Kind != avsc.JSONObject {
			continue
		}
		f.order(fieldKeys())
		if t := f.child("type"); t != nil {
			orderSchema(t)
		}
	}
}
