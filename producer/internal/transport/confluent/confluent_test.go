//go:build cgo

package confluent

import (
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/internal/transport/transporttest"
)

func TestTransport(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, transporttest.Library{Open: Open, NamesGuilty: true, RefusalIsFatal: true})
}

func TestTransportWithoutPlugin(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, transporttest.Library{
		RefusalIsFatal: true, NoFailureDetails: true, NoTimestampZero: true, LingersInFlush: true,
		Open: func(c *settings.Config, batchBytes int, h transport.Handler) (transport.Client, error) {
			k, err := open(c, batchBytes, h, false)
			if err != nil {
				return nil, err
			}
			return k, nil
		},
	})
}
