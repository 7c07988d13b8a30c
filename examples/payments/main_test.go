package main

import (
	"errors"
	"testing"
)

// TestOneServer checks that the program does not write to a real cluster with
// the schema ids of another registry.
func TestOneServer(t *testing.T) {
	for _, name := range []string{"BROKERS", "REGISTRY"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("BROKERS", "")
			t.Setenv("REGISTRY", "")
			t.Setenv(name, "127.0.0.1:1")
			if err := start(t.Context()); !errors.Is(err, errOneServer) {
				t.Error(err)
			}
		})
	}
}

// The output is also in the documentation.
func Example() {
	main()
	// Output:
	// ada -> bob  300: booked
	// bob -> eve  450: booked
	// eve -> ada  700: no: not enough money in the account
	// eve -> ada   50: booked
	// entries accepted 7, committed 6, aborted 1
	// the ledger: map[ada:-250 all:0 bob:-150 eve:400]
}
