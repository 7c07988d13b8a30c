//go:build !cgo

package producer_test

import "github.com/avroline/avroline/producer"

// librdkafka says whether the producers of the tests use librdkafka.
const librdkafka = false

// franz-go has neither setting. Its retry backoff controls the reconnect.
var quickReconnect, shortSocket map[string]string

// transports returns the options of each transport, by name.
func transports() map[string][]producer.Option {
	return map[string][]producer.Option{"franz": {producer.WithTransport(producer.Franz)}}
}
