package avrobin_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/avroline/avroline/serde/avrobin"
)

// TestLongs checks that many longs together give the same bytes as single
// longs, for any room in dst. A mistake is found at the right index.
func TestLongs(t *testing.T) {
	t.Parallel()
	values := []int64{0, -1, math.MaxInt64, math.MinInt64}
	for shift := range 63 {
		values = append(values, 1<<shift, 1<<shift-1, -1<<shift, -1<<shift-1)
	}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		some := values[:r.IntN(12)]
		var want []byte
		var ends []int
		for _, v := range some {
			want = avrobin.AppendLong(want, v)
			ends = append(ends, len(want))
		}
		data := avrobin.AppendLongs(append(make([]byte, 0, r.IntN(len(want)+12)), 'x')[1:], some)
		if !bytes.Equal(data, want) {
			t.Fatalf("%d: %x, want %x", some, data, want)
		}
		for _, more := range []int{0, 20} {
			got := make([]int64, len(some))
			n, rest, err := avrobin.ReadLongs(got, append(bytes.Clone(data), make([]byte, more)...))
			if err != nil || n != len(some) || len(rest) != more || !slices.Equal(got, some) {
				t.Fatalf("%x: %d, %d, %x, %v, want %d", data, got, n, rest, err, some)
			}
		}
		for cut := range data {
			at, _ := slices.BinarySearch(ends, cut+1)
			start := 0
			if at > 0 {
				start = ends[at-1]
			}
			got := make([]int64, len(some))
			n, rest, err := avrobin.ReadLongs(got, data[:cut])
			if !errors.Is(err, avrobin.ErrTruncated) || n != at || len(rest) != cut-start || !slices.Equal(got[:n], some[:n]) {
				t.Fatalf("%x: %d, rest %x, %v, want %d", data[:cut], n, rest, err, at)
			}
		}
		// A number of more than 64 bits is among the longs.
		bad := slices.Concat(data, bytes.Repeat([]byte{0xff}, 9), []byte{2}, make([]byte, 20))
		n, rest, err := avrobin.ReadLongs(make([]int64, len(some)+3), bad)
		if !errors.Is(err, avrobin.ErrInvalid) || n != len(some) || len(rest) != 30 {
			t.Fatalf("%x: %d, rest %x, %v", bad, n, rest, err)
		}
	}
}
