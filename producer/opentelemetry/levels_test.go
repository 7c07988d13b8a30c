package opentelemetry

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// TestSourceLag checks that the lags of two sources of one program do not mix,
// and that sources with the same name are one sum.
func TestSourceLag(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	tel, err := New(WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	if err != nil {
		t.Fatal(err)
	}
	orders, files, again := &sourceID{"orders"}, &sourceID{"files"}, &sourceID{"files"}
	tel.levels.noteSource(orders, 0, 1000)
	tel.levels.noteSource(files, 0, 1)
	tel.levels.noteSource(again, 0, 2)
	tel.levels.noteSource(files, 1, 4)
	tel.levels.noteSource(files, 2, 8)
	tel.levels.noteSource(files, 2, -1)
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if m.Name != metricSourceLag {
			continue
		}
		for _, p := range m.Data.(metricdata.Gauge[int64]).DataPoints {
			name, _ := p.Attributes.Value(keySource)
			shard, _ := p.Attributes.Value(keyShard)
			got[name.AsString()+" "+shard.String()] = p.Value
		}
	}
	if diff := cmp.Diff(map[string]int64{"orders 0": 1000, "files 0": 3, "files 1": 4}, got); diff != "" {
		t.Error(diff)
	}
}
