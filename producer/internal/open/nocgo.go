//go:build !cgo

package open

import (
	"errors"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

func confluentClient(*settings.Config, int, transport.Handler) (transport.Client, error) {
	return nil, errors.New("the transport confluent needs cgo: build with CGO_ENABLED=1, or use the transport franz")
}
