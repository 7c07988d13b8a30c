package franz

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

// TestJoin compares the joined checksum of two parts with the checksum of the
// whole.
func TestJoin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	whole := make([]byte, 1<<21)
	for i := range whole {
		whole[i] = byte(random.Uint32())
	}
	check := func(a, b []byte) {
		t.Helper()
		want := crc32.Checksum(whole[:len(a)+len(b)], castagnoli)
		got := join(crc32.Checksum(a, castagnoli), crc32.Checksum(b, castagnoli), len(b))
		if got != want {
			t.Errorf("%d and %d bytes: %08x, want %08x", len(a), len(b), got, want)
		}
	}
	for n := range 70 {
		check(whole[:40], whole[40:40+n])
		check(whole[:n], whole[n:n+1])
	}
	for range 200 {
		a, b := random.IntN(len(whole)/2), random.IntN(len(whole)/2)
		check(whole[:a], whole[a:a+b])
	}
	if join(1, 2, 3) == join(1, 2, 4) {
		t.Error("the size does not matter")
	}
}
