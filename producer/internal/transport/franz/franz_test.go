package franz

import (
	"testing"

	"github.com/avroline/avroline/producer/internal/transport/transporttest"
)

func TestTransport(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, transporttest.Library{Open: Open, NamesGuilty: true, NothingUncertainExpires: true})
}
