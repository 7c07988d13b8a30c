//go:build integration

package integration

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/avroline/avroline/internal/kafkacluster"
)

// toxics are toxiproxies, one before each node.
type toxics struct{ proxies []*toxiproxy.Proxy }

func newToxics(t *testing.T, c *kafkacluster.Cluster) *toxics {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	x := &toxics{}
	for i, addr := range c.ProxiedAddrs() {
		p := toxiproxy.NewProxy(server, addr, addr, c.ProxiedTargets()[i])
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		x.proxies = append(x.proxies, p)
	}
	return x
}

// with adds a toxic to every proxy for a while.
func (x *toxics) with(ctx context.Context, hold time.Duration, toxic string) error {
	var errs []error
	for _, p := range x.proxies {
		_, err := p.Toxics.AddToxicJson(strings.NewReader(toxic))
		errs = append(errs, err)
	}
	pause(ctx, hold)
	for _, p := range x.proxies {
		p.Toxics.ResetToxics(ctx)
	}
	return errors.Join(errs...)
}

// sick makes the network slow, then narrow, then lets it reset connections,
// then lets it swallow data.
func sick(ctx context.Context, s *stage) error {
	return errors.Join(
		s.toxic.with(ctx, 4*time.Second, `{"type":"latency","stream":"downstream","attributes":{"latency":120,"jitter":100}}`),
		s.toxic.with(ctx, 3*time.Second, `{"type":"bandwidth","stream":"upstream","attributes":{"rate":60}}`),
		s.toxic.with(ctx, 3*time.Second, `{"type":"reset_peer","stream":"downstream","toxicity":0.3,"attributes":{"timeout":50}}`),
		s.toxic.with(ctx, 4*time.Second, `{"type":"timeout","stream":"downstream","toxicity":0.5,"attributes":{"timeout":0}}`),
	)
}
