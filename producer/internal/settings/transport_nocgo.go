//go:build !cgo

package settings

// linked returns the transports of this build. librdkafka needs cgo.
func linked() []Transports { return []Transports{Franz} }
