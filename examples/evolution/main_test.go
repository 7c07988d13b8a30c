package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRun checks the output of the program. Each release reads the orders of
// each other release, and the fifth release is refused.
func TestRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const lived = `release 1 writes, with schema id 1
  release 1 reads: a ada 4200 PLACED
  release 4 reads: a ada 4200 PLACED "" []
release 2 writes, with schema id 2
  release 1 reads: b bob 700 PAID
  release 4 reads: b bob 700 PAID "ring twice" []
release 3 writes, with schema id 3
  release 1 reads: c cleo 99 UNKNOWN
  release 4 reads: c cleo 99 SHIPPED "gift" []
release 4 writes, with schema id 4
  release 1 reads: d dan 1 UNKNOWN
  release 4 reads: d dan 1 SHIPPED "" [{x-1 2}]
`
	parts := strings.Split(out.String(), "\nrelease 5, says ")
	if diff := cmp.Diff(lived, parts[0]); diff != "" {
		t.Error(diff)
	}
	if len(parts) != 4 {
		t.Fatalf("release 5 is refused %d times only:\n%s", len(parts)-1, &out)
	}
	for _, says := range parts[1:] {
		for _, rule := range []string{"TYPE_MISMATCH", "READER_FIELD_MISSING_DEFAULT_VALUE", "tenant"} {
			if !strings.Contains(says, rule) {
				t.Errorf("no %s in:\n%s", rule, says)
			}
		}
	}
}
