package settings

import (
	"strings"
	"testing"
)

// TestSettingOfOtherConstructor checks that the error names the constructors
// that have the setting.
func TestSettingOfOtherConstructor(t *testing.T) {
	t.Parallel()
	file := Set("WithConfig", func(c *Config) { c.origins["transaction.timeout.ms"] = "tx.properties:1: transaction.timeout.ms" })
	_, err := New(ForProducer, []string{"b:1"}, "", []Option{file})
	const want = "tx.properties:1: transaction.timeout.ms: New does not have this setting, only NewTransactional, processor.New, source.New: remove the setting"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}
