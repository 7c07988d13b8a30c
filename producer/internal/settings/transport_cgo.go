//go:build cgo

package settings

// linked are the transports of this build. The first is the default.
func linked() []Transports { return []Transports{Confluent, Franz} }
