package codegen_test

import (
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/gentest"
)

// TestCodeOfVersion1 checks that code from an older generator does not compile,
// and that the compiler's message says how to fix the code.
func TestCodeOfVersion1(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"record": `func (*T) AppendAvro(dst []byte) ([]byte, error) { return dst, avrobin.At(avrobin.ErrNil, "") }`,
		"enum":   `const _ = avrobin.Version1`,
	} {
		m := gentest.New(t)
		m.Write("t.go", "package gen\n\nimport \"github.com/avroline/avroline/serde/avrobin\"\n\ntype T struct{}\n\n"+body+"\n")
		out, err := m.TryGo("build", "./...")
		if err == nil || !strings.Contains(out, "run avrogen generate") {
			t.Errorf("%s: error %v, output %s", name, err, out)
		}
	}
}
