//go:build !cgo

package producer_test

// librdkafka says whether the producers of the tests use librdkafka.
const librdkafka = false

// franz-go has neither setting. Its retry backoff controls the reconnect.
var quickReconnect, shortSocket map[string]string
