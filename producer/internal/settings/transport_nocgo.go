//go:build !cgo

package settings

// linked are the transports of this build. librdkafka needs cgo.
func linked() []Transports { return []Transports{Franz} }
