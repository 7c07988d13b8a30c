package prom

import (
	"context"
	"testing"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// TestNoScrape makes and closes producers while nothing scrapes the metrics.
// The metrics must not keep the closed producers.
func TestNoScrape(t *testing.T) {
	t.Parallel()
	ser, err := serde.NewSerializer(&workload.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	m := New()
	for range 5 {
		p, err := producer.New([]string{"127.0.0.1:1"}, ser, producer.WithTransport(producer.Franz), m.Producer("job"))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(m.client("job").open); n > 1 {
		t.Errorf("%d closed producers are kept", n)
	}
}
