package main

import (
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

// The output is also in the documentation.
func Example() {
	main()
	// Output:
	// killed 5 times
	// orders 300, cents 45150
	// bills  300, cents 45150, orders billed twice 0, events waiting 0
}
