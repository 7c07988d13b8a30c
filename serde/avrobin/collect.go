package avrobin

import "slices"

// SortedKeys returns the keys of m in order, so that equal maps give equal
// bytes. It appends them to buf[:0]: with a buffer on the caller's stack small
// maps need no allocation.
func SortedKeys[V any](buf []string, m map[string]V) []string {
	keys := buf[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
