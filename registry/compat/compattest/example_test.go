package compattest_test

import (
	"testing"

	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/compat/compattest"
)

// The test of a repository compares the schemas with those of another branch.
// The example needs a test of its own, and therefore does not run.
func ExampleNoBreak() {
	_ = func(t *testing.T) { // func TestSchemas(t *testing.T)
		compattest.NoBreak(t, "schemas/...",
			compattest.WithAgainst("git:origin/main"),
			compattest.WithLevel(compat.Full),
			compattest.WithException(compat.LogicalTypeChanged, "shop.Order.price", "all consumers read cents since May"))
	}
}
