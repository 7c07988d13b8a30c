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

// TestMain runs the suites of this package against Apicurio Registry. If
// AVROLINE_TEST_REGISTRY names a running registry, TestMain uses this registry.
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
