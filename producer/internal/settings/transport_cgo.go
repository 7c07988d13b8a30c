//go:build cgo

package settings

// linked returns the transports of this build. The first is the default.
func linked() []Transports { return []Transports{Confluent, Franz} }
