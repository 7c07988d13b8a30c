package main

import (
	"maps"
	"slices"
)

// quantile estimates a quantile of a histogram, in milliseconds. buckets are
// cumulative counts by upper bound in seconds. Like Prometheus, quantile
// assumes that the values of a bucket are spread evenly.
func quantile(q float64, buckets map[float64]uint64) float64 {
	bounds := slices.Sorted(maps.Keys(buckets))
	if len(bounds) == 0 {
		return 0
	}
	rank := q * float64(buckets[bounds[len(bounds)-1]])
	if rank == 0 {
		return 0
	}
	lower, before := 0.0, 0.0
	for _, upper := range bounds {
		n := float64(buckets[upper])
		if n >= rank {
			return 1000 * (lower + (upper-lower)*(rank-before)/(n-before))
		}
		lower, before = upper, n
	}
	return 1000 * lower
}
