package vectors

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shared returns the path of a shared file, and skips the test without it.
func shared(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("AVROLINE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared")
	}
	p := filepath.Join(dir, "vectors", filepath.FromSlash(name))
	if _, err := os.Stat(p); err != nil {
		t.Skipf("no shared vectors (set AVROLINE_SHARED to the folder that holds them): %v", err)
	}
	return p
}

// eachLine decodes each line of a file of JSON lines.
func eachLine[T any](t *testing.T, name string, use func(T)) {
	t.Helper()
	f, err := os.Open(shared(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	n := 0
	for ; lines.Scan(); n++ {
		var row T
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatalf("%s:%d: %v", name, n+1, err)
		}
		use(row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Fatalf("%s is empty", name)
	}
}

// tally counts the cases of one file, and reports those that came out wrong
// and are not among the exceptions.
type tally struct {
	t          *testing.T
	file       string
	exceptions map[string]string // id to our verdict
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

// judge compares our verdict with that of the others.
func (c *tally) judge(id, got, want string, err error) {
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
