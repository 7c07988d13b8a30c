//go:build integration

package registry_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/apicurio"
)

// TestMain lets the suites of this package run against Apicurio Registry,
// unless AVROLINE_TEST_REGISTRY names a registry that runs already.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv("AVROLINE_TEST_REGISTRY") != "" {
			return m.Run()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		s, err := apicurio.New(ctx)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer s.Close()
		if err := os.Setenv("AVROLINE_TEST_REGISTRY", s.URL); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}
