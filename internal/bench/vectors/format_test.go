package vectors

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfmt"
	"github.com/avroline/avroline/internal/vectortest"
)

// TestFormatRealFiles checks that every real file keeps its value, its meaning
// and its number of comments. A second formatting changes nothing.
func TestFormatRealFiles(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(filepath.Join(vectortest.Path(t, "avsc"), "*.avsc"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files: %v", err)
	}
	formatted := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		before, comments, err := avsc.ReadJSON(name, text)
		if err != nil {
			continue
		}
		out, err := avscfmt.Format(name, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		formatted++
		after, left, err := avsc.ReadJSON(name, out)
		if err != nil || !avsc.SameJSON(before, after) || len(left) != len(comments) {
			t.Errorf("%s: %v: formatting changed it", name, err)
		}
		if again, err := avscfmt.Format(name, out); err != nil || string(again) != string(out) {
			t.Errorf("%s: formatting twice changes more: %v", name, err)
		}
		s, err := avsc.Parse(name, text)
		if err != nil {
			continue
		}
		if f, err := avsc.Parse(name, out); err != nil || f.Canonical() != s.Canonical() {
			t.Errorf("%s: formatting made another schema: %v", name, err)
		}
	}
	t.Logf("%d files", formatted)
}
