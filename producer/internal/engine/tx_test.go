package engine

import "testing"

// TestAddAllocates checks that adding a message to a transaction allocates
// nothing by itself.
func TestAddAllocates(t *testing.T) {
	tx := &Tx{engine: &Engine{}}
	send := func() error { return nil }
	if n := testing.AllocsPerRun(100, func() {
		if err := tx.Add("orders", send); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}
