package source

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rotatedLog is a log that a program writes, and that is rotated and compressed
// at random. The newest file is log, then come log.1, log.2 and so on.
type rotatedLog struct {
	t       *testing.T
	dir     string
	random  *rand.Rand
	header  string
	lines   int // the number of lines written
	oldest  int // the number of the oldest file
	packing string
}

func (l *rotatedLog) path(number int) string {
	if number == 0 {
		return filepath.Join(l.dir, "log")
	}
	return filepath.Join(l.dir, fmt.Sprintf("log.%d", number))
}

func (l *rotatedLog) exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (l *rotatedLog) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *rotatedLog) write(n int) {
	var text strings.Builder
	if !l.exists(l.path(0)) {
		text.WriteString(l.header)
	}
	for range n {
		fmt.Fprintf(&text, "%d %s\n", l.lines, strings.Repeat("x", l.random.IntN(60)))
		l.lines++
	}
	f, err := os.OpenFile(l.path(0), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	l.must(err)
	_, err = f.WriteString(text.String())
	l.must(errors.Join(err, f.Close()))
}

func (l *rotatedLog) rotate() {
	l.finishPacking()
	for i := l.oldest; i >= 0; i-- {
		for _, ext := range []string{"", ".gz"} {
			if l.exists(l.path(i) + ext) {
				l.must(os.Rename(l.path(i)+ext, l.path(i+1)+ext))
			}
		}
	}
	l.oldest++
	l.write(l.random.IntN(4))
}

// pack compresses a file, and leaves both files for a while.
func (l *rotatedLog) pack() {
	l.finishPacking()
	if path := l.path(2 + l.random.IntN(3)); l.exists(path) {
		text, err := os.ReadFile(path)
		l.must(err)
		writeFile(l.t, l.dir, filepath.Base(path)+".gz", string(text))
		l.packing = path
	}
}

func (l *rotatedLog) finishPacking() {
	if l.packing != "" {
		l.must(os.Remove(l.packing))
		l.packing = ""
	}
}

// change does one thing at random.
func (l *rotatedLog) change() {
	switch l.random.IntN(4) {
	case 0, 1:
		l.write(l.random.IntN(150))
	case 2:
		l.rotate()
	case 3:
		l.pack()
	}
}

// read reads all files, and commits the lines from time to time. If changing is
// set, the log changes meanwhile, and some readers stop without a commit. read
// reports whether it has read everything.
func (l *rotatedLog) read(changing bool, committed map[string]Position, published map[string]int) bool {
	rarely := func(n int) bool { return changing && l.random.IntN(n) == 0 }
	paths, err := filepath.Glob(filepath.Join(l.dir, "log*"))
	l.must(err)
	l.random.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	in := &files{paths: paths, maxLine: 100}
	r, err := in.Open(l.t.Context(), Shard{0, 1}, slices.Collect(maps.Values(committed)))
	l.must(err)
	defer func() { _ = r.Close() }()
	var lines []string
	for {
		if rarely(40) {
			l.change()
		}
		if rarely(200) {
			return false
		}
		var item Item[Line]
		ok, err := r.Next(l.t.Context(), &item)
		switch {
		case err != nil: // for example errReplaced, or a file that was renamed
			return false
		case ok && !strings.HasPrefix(l.header, string(item.Value.Text)+"\n"):
			lines = append(lines, string(item.Value.Text))
		}
		if !ok || rarely(30) {
			at := r.Positions()
			for _, p := range at {
				committed[p.Stream] = p
			}
			for _, line := range lines {
				published[line]++
			}
			lines = nil
			if !ok && len(at) == 0 {
				return true
			}
		}
	}
}

// TestRandomRotation reads logs that are rotated and compressed at random,
// between the runs and during the runs. Each line comes exactly once.
func TestRandomRotation(t *testing.T) {
	t.Parallel()
	h, err := readHead(writeFile(t, t.TempDir(), "log", "H\n"), maxHead)
	if err != nil || h.id == "" {
		t.Skip("the file system has no id of a file", err)
	}
	for name, header := range map[string]string{"no header": "", "short header": "H\n", "long header": strings.Repeat("H\n", maxHead)} {
		for seed := range uint64(25) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				t.Parallel()
				l := &rotatedLog{t: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 0)), header: header}
				l.write(l.random.IntN(100))
				committed, published := map[string]Position{}, map[string]int{}
				for range 8 {
					l.read(true, committed, published)
					l.change()
				}
				for n := 0; !l.read(false, committed, published); n++ {
					if n == 3 {
						t.Fatal("the reading does not end")
					}
				}
				for line, times := range published {
					if times != 1 {
						t.Errorf("%d times: %q", times, line)
					}
				}
				if len(published) != l.lines {
					t.Errorf("%d lines, want %d", len(published), l.lines)
				}
			})
		}
	}
}
