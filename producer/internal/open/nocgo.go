//go:build !cgo

package open

import (
	"context"
	"errors"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

var errNoConfluent = errors.New("the transport confluent needs cgo: build with CGO_ENABLED=1, or use the transport franz")

func confluentClient(*settings.Config, int, transport.Handler) (transport.Client, error) {
	return nil, errNoConfluent
}

func consumeConfluent(*settings.Config, transport.Group, func(*transport.Error)) (transport.Consumer, error) {
	return nil, errNoConfluent
}

func readConfluent(context.Context, *settings.Config, string, func(*transport.Error), func(*transport.ConsumedMessage) error) error {
	return errNoConfluent
}

func createConfluent(context.Context, *settings.Config, string, int, int, map[string]string) error {
	return errNoConfluent
}

// asError returns err, because without the library there are no library errors.
func asError(err error) error { return err }
