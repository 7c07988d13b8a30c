// Package open makes a client of the transport that the settings name.
package open

import (
	"fmt"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/franz"
)

// Client makes a producing client. It does no I/O that it waits for. batchBytes
// bounds a batch, whatever c says.
func Client(c *settings.Config, batchBytes int, h transport.Handler) (transport.Client, error) {
	switch c.Transport {
	case settings.Franz:
		return franz.Open(c, batchBytes, h)
	case settings.Confluent:
		return confluentClient(c, batchBytes, h)
	}
	return nil, fmt.Errorf("no transport %v", c.Transport)
}

// BatchBytes is the batch that a client may send at most, as long as no topic
// takes less. kgo has one limit for a batch and a message, so it must let the
// largest message through.
func BatchBytes(c *settings.Config) int {
	if c.Transport == settings.Franz {
		return max(c.BatchBytes, c.MaxMessageBytes)
	}
	return c.BatchBytes
}
