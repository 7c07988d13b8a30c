// Package open makes a client with the transport of the settings.
package open

import (
	"fmt"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/franz"
)

// Client makes a producing client and does not wait for the network. batchBytes
// limits the size of a batch. The limit overrides the settings in c.
func Client(c *settings.Config, batchBytes int, h transport.Handler) (transport.Client, error) {
	switch c.Transport {
	case settings.Franz:
		return franz.Open(c, batchBytes, h)
	case settings.Confluent:
		return confluentClient(c, batchBytes, h)
	}
	return nil, fmt.Errorf("no transport %v", c.Transport)
}

// BatchBytes returns the largest batch of a client, if no topic has a lower
// limit. kgo has one limit for a batch and a message. Therefore the kgo limit
// must allow the largest message.
func BatchBytes(c *settings.Config) int {
	if c.Transport == settings.Franz {
		return max(c.BatchBytes, c.MaxMessageBytes)
	}
	return c.BatchBytes
}
