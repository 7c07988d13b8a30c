//go:build cgo

package open

import (
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/confluent"
)

func confluentClient(c *settings.Config, batchBytes int, h transport.Handler) (transport.Client, error) {
	return confluent.Open(c, batchBytes, h)
}
