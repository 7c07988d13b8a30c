package diagnose

import (
	"strings"
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestAddressFix explains addresses of the settings and addresses that only the
// cluster names, in the texts of both client libraries.
func TestAddressFix(t *testing.T) {
	t.Parallel()
	c := &settings.Config{Brokers: []string{"kafka", "10.0.0.1:9093"}}
	for text, want := range map[string]string{
		"kafka:9092/bootstrap: Connect failed":                "bootstrap.servers",
		"ssl://10.0.0.1:9093/1: Connect failed":               "bootstrap.servers",
		"broker kafka:9092: unable to dial: refused":          "bootstrap.servers",
		"something else failed":                               "bootstrap.servers",
		"kafka-1.internal:9092/1: Failed to resolve":          "advertised.listeners",
		"broker kafka-1.internal:9092: unable to dial: dial…": "advertised.listeners",
	} {
		err := ExplainConnection(c, &transport.Error{Code: transport.Transport, Text: text})
		if err == nil || !strings.Contains(err.Fix, want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
