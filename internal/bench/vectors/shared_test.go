package vectors

import (
	"os"
	"strings"
	"testing"
)

// tally counts the cases of one file. It reports wrong cases that are not among
// the exceptions.
type tally struct {
	t          *testing.T
	file       string
	exceptions map[string]string // maps ids to our verdicts
	n, wrong   int
}

func newTally(t *testing.T, file string) *tally {
	t.Helper()
	text, err := os.ReadFile("exceptions.tsv")
	if err != nil {
		t.Fatal(err)
	}
	c := &tally{t: t, file: file, exceptions: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		cols := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(cols) != 5 || cols[3] == "" || cols[4] == "" {
			t.Fatalf("exceptions.tsv: %q has not five columns", line)
		}
		if cols[0] == file {
			c.exceptions[cols[1]] = cols[2]
		}
	}
	return c
}

// compare holds our verdict against the verdict of the other implementations.
func (c *tally) compare(id, got, want string, err error) {
	c.t.Helper()
	c.n++
	if own, ok := c.exceptions[id]; ok {
		if own != got || got == want {
			c.t.Errorf("%s %s: %s, the exceptions say %s, the others %s", c.file, id, got, own, want)
		}
		return
	}
	if got != want {
		c.wrong++
		c.t.Errorf("%s %s: %s, the others say %s: %v", c.file, id, got, want, err)
	}
}

func (c *tally) done() {
	c.t.Helper()
	c.t.Logf("%s: %d cases, %d wrong, %d exceptions", c.file, c.n, c.wrong, len(c.exceptions))
}
