//go:build cgo

package producer_test

import "github.com/avroline/avroline/producer"

// librdkafka says whether the producers of the tests use librdkafka.
const librdkafka = true

// quickReconnect makes librdkafka reconnect soon. shortSocket makes librdkafka
// give up a connection soon.
var (
	quickReconnect = map[string]string{"reconnect.backoff.ms": "10", "reconnect.backoff.max.ms": "50"}
	shortSocket    = map[string]string{"socket.timeout.ms": "1000"}
)

// transports returns the options of each transport, by name.
func transports() map[string][]producer.Option {
	return map[string][]producer.Option{
		"confluent": {producer.WithTransport(producer.Confluent)},
		"franz":     {producer.WithTransport(producer.Franz)},
	}
}
