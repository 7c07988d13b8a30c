package main

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// figures keeps the figures of the last two minutes for the page, one point for
// each second. The figures come from the metrics, so the page shows the same
// values as Prometheus.
type figures struct {
	metrics prometheus.Gatherer

	mu      sync.Mutex
	seconds []second
	last    totals
}

// second is one point of the graphs.
type second struct {
	At        int64   `json:"at"`        // Unix seconds
	Delivered float64 `json:"delivered"` // a second
	Refused   float64 `json:"refused"`   // a second
	Failed    float64 `json:"failed"`    // not sent or unknown, a second
	P50       float64 `json:"p50"`       // delivery, milliseconds
	P99       float64 `json:"p99"`
	InFlight  float64 `json:"in_flight"`
	Committed float64 `json:"committed"` // transactions of the processor, a second
}

// totals are the counters at one moment.
type totals struct {
	delivered, refused, failed, committed, inFlight float64
	buckets                                         map[float64]uint64 // of the delivery time
}

const keep = 120

func newFigures(g prometheus.Gatherer) *figures { return &figures{metrics: g} }

func (f *figures) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		f.add(time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// add appends a point with the differences to the last totals.
func (f *figures) add(now time.Time) {
	families, err := f.metrics.Gather()
	if err != nil {
		return
	}
	t := read(families)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last.buckets != nil {
		diff := map[float64]uint64{}
		for bound, n := range t.buckets {
			diff[bound] = n - f.last.buckets[bound]
		}
		f.seconds = append(f.seconds, second{
			At:        now.Unix(),
			Delivered: t.delivered - f.last.delivered, Refused: t.refused - f.last.refused,
			Failed: t.failed - f.last.failed, Committed: t.committed - f.last.committed, InFlight: t.inFlight,
			P50: quantile(0.5, diff), P99: quantile(0.99, diff),
		})
		f.seconds = f.seconds[max(0, len(f.seconds)-keep):]
	}
	f.last = t
}

func (f *figures) all() []second {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]second{}, f.seconds...)
}

func read(families []*dto.MetricFamily) totals {
	t := totals{buckets: map[float64]uint64{}}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch family.GetName() {
			case "avroline_messages_total":
				if label(m, "outcome") == "delivered" {
					t.delivered += m.GetCounter().GetValue()
				} else {
					t.failed += m.GetCounter().GetValue()
				}
			case "avroline_messages_refused_total":
				t.refused += m.GetCounter().GetValue()
			case "avroline_transactions_total":
				if label(m, "result") == "committed" {
					t.committed += m.GetCounter().GetValue()
				}
			case "avroline_in_flight_messages":
				t.inFlight += m.GetGauge().GetValue()
			case "avroline_delivery_seconds":
				if label(m, "topic") != createdTopic {
					continue
				}
				for _, b := range m.GetHistogram().GetBucket() {
					t.buckets[b.GetUpperBound()] += b.GetCumulativeCount()
				}
			}
		}
	}
	return t
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}
