//go:build cgo

package producer_test

// quickReconnect has the settings of librdkafka by which it connects again soon.
var quickReconnect = map[string]string{"reconnect.backoff.ms": "10", "reconnect.backoff.max.ms": "50"}
