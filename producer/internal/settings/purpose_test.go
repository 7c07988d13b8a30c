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

// TestConnectionOfAnyConstructor checks that ConnectionOf takes the settings of
// every constructor. A program may give the file of its transactional producer.
func TestConnectionOfAnyConstructor(t *testing.T) {
	t.Parallel()
	for _, s := range Table() {
		if s.In == 0 || s.Refused != "" || s.Default == "" {
			continue
		}
		c, err := ConnectionOf([]string{"b:1"}, fromText(t, s.Key+"="+s.Default))
		if err != nil || len(c.Brokers) != 1 {
			t.Errorf("%s: %v, %v", s.Key, c, err)
		}
	}
	c, err := ConnectionOf(nil, fromText(t, "bootstrap.servers=b:1\ntransaction.timeout.ms=30000\nauto.offset.reset=latest"))
	if err != nil || len(c.Brokers) != 1 {
		t.Errorf("%v, %v", c, err)
	}
}
