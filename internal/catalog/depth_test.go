package catalog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
)

// TestDeepSchema checks that the limit of a schema counts the indentation of
// many types inside each other.
func TestDeepSchema(t *testing.T) {
	t.Parallel()
	deep := func(n int) string {
		text := `"int"`
		for i := range n {
			text = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"f","type":%s},{"name":"g","type":"int"}]}`, i, text)
		}
		s, err := avsc.Parse("deep", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return (&Type{Name: s.Name, Schema: s}).schemaText()
	}
	if text := deep(300); text != "" {
		t.Errorf("300 records inside each other: %d bytes", len(text))
	}
	if text := deep(10); !strings.Contains(text, "R9") {
		t.Errorf("10 records inside each other: %q", text)
	}
}
