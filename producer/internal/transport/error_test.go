package transport

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestCodes checks that every error of a broker keeps its name, and that no
// code of this package is the code of a broker.
func TestCodes(t *testing.T) {
	t.Parallel()
	for code := int16(-1); code < 200; code++ {
		known := kerr.TypedErrorForCode(code)
		if known == nil || known.Code != code {
			continue
		}
		if text := Code(code).String(); !strings.Contains(text, known.Message) {
			t.Errorf("code %d is %q, want %s", code, text, known.Message)
		}
	}
	for code := TimedOut; code >= Recovering; code-- {
		if known := kerr.TypedErrorForCode(int16(code)); known != nil && known.Code == int16(code) {
			t.Errorf("code %d is Kafka's %s", code, known.Message)
		}
		if text := code.String(); strings.Contains(text, "Kafka") {
			t.Errorf("code %d has no name: %q", code, text)
		}
	}
}
