package main

import (
	"errors"
	"os"
	"testing"
)

// programEnv lets the test binary run as the program.
const programEnv = "AVROLINE_TEST_OUTBOX"

// TestMain lets the test binary run as the worker.
func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" || os.Getenv(programEnv) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestOneServer checks that the program refuses a cluster without its registry.
func TestOneServer(t *testing.T) {
	for _, name := range []string{"BROKERS", "REGISTRY"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("BROKERS", "")
			t.Setenv("REGISTRY", "")
			t.Setenv(name, "127.0.0.1:1")
			if _, err := new(setting).startServers(); !errors.Is(err, errOneServer) {
				t.Error(err)
			}
		})
	}
}

// The output is also in the documentation.
func Example() {
	main()
	// Output:
	// killed 5 times
	// orders 300, cents 45150
	// bills  300, cents 45150, orders billed twice 0, events waiting 0
}
