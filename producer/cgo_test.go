//go:build cgo

package producer_test

// librdkafka says that the producers of the tests stand on it.
const librdkafka = true

// quickReconnect has the settings of librdkafka by which it connects again soon,
// shortSocket those by which it gives a connection up soon.
var (
	quickReconnect = map[string]string{"reconnect.backoff.ms": "10", "reconnect.backoff.max.ms": "50"}
	shortSocket    = map[string]string{"socket.timeout.ms": "1000"}
)
