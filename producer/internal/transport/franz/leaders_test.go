//go:build integration

package franz

import (
	"flag"
	"testing"

	"github.com/avroline/avroline/producer/internal/transport/transporttest"
)

var producers = flag.Int("producers", 15, "how many producers run, one after the other, while leaders move")

func TestLeaders(t *testing.T) {
	transporttest.RunLeaders(t, transporttest.Library{Open: Open}, *producers)
}
