//go:build !cgo

package producer_test

// librdkafka says that the producers of the tests stand on it.
const librdkafka = false

// franz-go has neither setting: it connects again by its retry backoff.
var quickReconnect, shortSocket map[string]string
