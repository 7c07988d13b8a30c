// Package vectortest finds the test vectors, which are not part of this
// repository. The vectors are in the folder that AVROLINE_SHARED names. Without
// AVROLINE_SHARED, the vectors are in a folder called shared beside the
// project. If the vectors are missing, the tests are skipped.
package vectortest

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Path returns the path of a file or folder of the vectors. If the file or
// folder is missing, Path skips the test.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("AVROLINE_SHARED")
	if dir == "" {
		dir = beside(t)
	}
	p := filepath.Join(dir, "vectors", filepath.FromSlash(name))
	if _, err := os.Stat(p); err != nil {
		t.Skipf("no vectors beside the project (AVROLINE_SHARED names the folder that they are in): %v", err)
	}
	return p
}

// Schemas returns the paths of the schema files of the vectors. If the vectors
// are missing, Schemas skips the test.
func Schemas(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(Path(t, "avsc"), "*.avsc"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// beside returns the nearest folder called shared in a folder above the test.
func beside(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		shared := filepath.Join(dir, "shared")
		if info, err := os.Stat(shared); err == nil && info.IsDir() || filepath.Dir(dir) == dir {
			return shared
		}
		dir = filepath.Dir(dir)
	}
}

// Each calls use with every line of a file of JSON lines, and returns the
// number of lines. A file without lines fails the test.
func Each[T any](t testing.TB, name string, use func(T)) int {
	t.Helper()
	f, err := os.Open(Path(t, name))
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
	return n
}
