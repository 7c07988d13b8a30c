package main

import (
	"errors"
	"testing"
)

// TestOneServer checks that the program refuses a cluster without its registry.
func TestOneServer(t *testing.T) {
	for _, name := range []string{"BROKERS", "REGISTRY"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("BROKERS", "")
			t.Setenv("REGISTRY", "")
			t.Setenv(name, "127.0.0.1:1")
			if err := run(t.Context(), nil); !errors.Is(err, errOneServer) {
				t.Error(err)
			}
		})
	}
}

// The output is also in the documentation.
func Example() {
	main()
	// Output:
	// the ledger: map[ada:-5000 bob:-2000 sales:7000]
	// dead letters: 2
}
