package producer_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain runs more tests in parallel than there are cores, because most tests
// wait for an outage to end. The flag -parallel still wins.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "8"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
