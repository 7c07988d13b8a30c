package settings

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTableIsSound checks that every name belongs to one row and that every
// default can be read. Every row that a file can set must have a set function.
func TestTableIsSound(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	c := newDefaults(ForProducer)
	for _, s := range c.rows {
		for _, name := range s.Names() {
			if other, twice := seen[name]; twice {
				t.Errorf("%s: in the rows %s and %s", name, other, s.Key)
			}
			seen[name] = s.Key
		}
		if s.Refused != "" {
			continue
		}
		if s.GoOnly == (s.set != nil) {
			t.Errorf("%s: GoOnly %t, set %t", s.Key, s.GoOnly, s.set != nil)
		}
		if s.Default != "" {
			if err := s.set(c, s.Default); err != nil {
				t.Errorf("%s: default %q: %v", s.Key, s.Default, err)
			}
		}
		if s.sent != sentToNone && s.client == nil {
			t.Errorf("%s: is sent, and has no value", s.Key)
		}
	}
	for _, key := range DecidedByProcessor() {
		if row, ok := seen[key]; ok {
			t.Errorf("%s: decided by the processor, and in the row %s", key, row)
		}
	}
}

// TestPresets checks that the preset Balanced equals the defaults, and that
// every preset sets the same settings as Balanced.
func TestPresets(t *testing.T) {
	t.Parallel()
	values := func(opts ...Option) map[string]any {
		c, err := New(ForProducer, []string{"b:1"}, "", opts)
		if err != nil {
			t.Fatal(err)
		}
		return c.ProducerMap()
	}
	if diff := cmp.Diff(values(), values(HighThroughput(), LowLatency(), Balanced())); diff != "" {
		t.Errorf("Balanced is not the default: %s", diff)
	}
	for key, want := range map[string]any{
		"linger.ms": "50", "batch.size": 1_000_000, "batch.num.messages": 100_000, "compression.type": "lz4", "compression.level": -1,
	} {
		if got := values(LowLatency(), HighThroughput())[key]; got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
	for key, want := range map[string]any{
		"linger.ms": "0", "batch.size": 131_072, "batch.num.messages": 1_000, "compression.type": "none", "compression.level": -1,
	} {
		if got := values(HighThroughput(), LowLatency())[key]; got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
}

// TestPassedValuesAreChecked checks that New checks values for the client
// library. The error has the file, line and key.
func TestPassedValuesAreChecked(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"socket.keepalive.enable=yes":      `a.properties:1: socket.keepalive.enable: "yes": must be true or false`,
		"client.dns.lookup=default":        `a.properties:1: client.dns.lookup: "default": must be one of use_all_dns_ips, resolve_canonical_bootstrap_servers_only`,
		"socket.timeout.ms=5":              `a.properties:1: socket.timeout.ms: "5": must be a whole number from 10 to 300000`,
		"reconnect.backoff.ms=1s":          `a.properties:1: reconnect.backoff.ms: "1s": must be a whole number from 0 to 3600000`,
		"max.block.ms=9223372036854775807": `a.properties:1: max.block.ms: "9223372036854775807": must be from 0s to 596h31m23.647s`,
		"receive.buffer.bytes=-1":          `a.properties:1: receive.buffer.bytes: "-1": must be a whole number from 0 to 100000000`,
		"ssl.engine.location=/tmp/evil.so": `a.properties:1: ssl.engine.location: it loads code into the process`,
	} {
		path := filepath.Join(t.TempDir(), "a.properties")
		if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(ForProducer, []string{"b:1"}, "", []Option{FromFile(path)})
		if err == nil || err.Error() != "producer: "+want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	if !slices.Contains(linked(), Confluent) {
		return // franz has not all of the settings below
	}
	// The values have one form, because franz compares texts.
	for line, want := range map[string]string{
		"debug=broker,-topic": "broker,-topic", "socket.send.buffer.bytes=131072": "131072",
		"socket.keepalive.enable=TRUE": "true", "socket.keepalive.enable=0": "false", "broker.address.family=V6": "v6",
	} {
		key, value, _ := strings.Cut(line, "=")
		c, err := New(ForProducer, []string{"b:1"}, "", []Option{FromMap(map[string]string{key: value})})
		if err != nil || len(c.Passed) != 1 || c.Passed[key] != want {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestOnlyHarmlessValuesAreShown checks that errors show no value of a key,
// unless the key is marked as harmless.
func TestOnlyHarmlessValuesAreShown(t *testing.T) {
	t.Parallel()
	const marker = "hunter2"
	c := newDefaults(ForProducer)
	for _, s := range c.rows {
		if s.Show == Harmless || s.GoOnly {
			continue
		}
		for _, name := range s.Names() {
			c := newDefaults(ForProducer)
			seen := map[string]string{}
			first := c.load(name, marker, "a", seen, false)
			second := c.load(name, marker, "b", seen, false) // refused, because the key comes a second time
			if second == nil && first == nil {
				t.Errorf("%s: twice, and accepted", name)
			}
			if err := errors.Join(first, second); strings.Contains(err.Error(), marker) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestTransportRefusesSettings checks that New refuses a setting that the
// chosen transport does not support.
func TestTransportRefusesSettings(t *testing.T) {
	t.Parallel()
	debug := FromMap(map[string]string{"debug": "broker", "avroline.transport": "franz"})
	_, err := New(ForProducer, []string{"b:1"}, "", []Option{debug})
	want := "producer: WithConfig: debug: the transport franz does not have this setting"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := New(ForProducer, []string{"b:1"}, "", []Option{FromMap(map[string]string{"avroline.transport": "sarama"})}); err == nil {
		t.Error("an unknown transport was accepted")
	}
	c, err := New(ForProducer, []string{"b:1"}, "", []Option{FromMap(map[string]string{"avroline.transport": "Franz", "linger.ms": "1"})})
	if err != nil || c.Transport != Franz {
		t.Errorf("%v, %v", c, err)
	}
}
