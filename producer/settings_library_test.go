//go:build cgo

package producer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/librdkafka/librdkafkatest"
	"github.com/avroline/avroline/producer/internal/settings"
)

// TestTableHasTheLibrarysSettings checks that every setting and alias of the
// linked librdkafka has a row in the table of settings. After an update of the
// library, the test fails until somebody decides about the new settings.
func TestTableHasTheLibrarysSettings(t *testing.T) {
	t.Parallel()
	names := map[string]settings.Setting{}
	for _, s := range settings.Table() {
		for _, name := range s.Names() {
			names[name] = s
		}
	}
	outside := append(settings.DecidedByProcessor(), // a consumer's
		"builtin.features", "enabled_events", // the Go client sets them
		"share.acknowledgement.mode",                                                                                                       // of share groups, not used here
		"auto.commit.enable", "consume.callback.max.messages", "offset.store.path", "offset.store.sync.interval.ms", "offset.store.method", // of the legacy consumer
	)
	properties := librdkafkatest.Properties()
	if len(properties) < 150 {
		t.Fatalf("only %d properties", len(properties))
	}
	for _, p := range properties {
		s, ok := names[p.Name]
		switch {
		case !ok && !slices.Contains(outside, p.Name):
			t.Errorf("%s: has no row (range %q)", p.Name, p.Range)
		case ok && p.AliasOf != "" && s.Refused == "" && names[p.AliasOf].Key != s.Key:
			t.Errorf("%s: is an alias of %s, and has a row of its own", p.Name, p.AliasOf)
		}
	}
}

// TestPassedValuesAreTheLibrarys checks values that go to the library
// unchanged. The table must accept and refuse the same values as the library.
func TestPassedValuesAreTheLibrarys(t *testing.T) {
	t.Parallel()
	ranges := map[string]string{}
	for _, p := range librdkafkatest.Properties() {
		if ranges[p.Name] == "" { // the client's entry comes first, then the topic's
			ranges[p.Name] = p.Range
		}
	}
	for _, s := range settings.Table() {
		if !s.Passed() {
			continue
		}
		t.Run(s.Key, func(t *testing.T) {
			t.Parallel()
			bounds := ranges[s.Key]
			switch s.Key {
			case "fetch.min.bytes": // the library's documentation is wrong
				bounds = "1 .. 100000000"
			case "sasl.oauthbearer.metadata.authentication.type": // it accepts aws_iam but cannot do it
				bounds = "none, azure_imds"
			}
			good, bad := samples(bounds)
			for _, v := range append(good, bad...) {
				_, err := settings.New(settings.ForProcessor, []string{"b:1"}, "id", []Option{WithConfig(map[string]string{s.Key: v})})
				if (err == nil) != slices.Contains(good, v) {
					t.Errorf("the table: %q: %v", v, err)
				}
				if !setByLibrary(t, s.Key, v) == slices.Contains(good, v) {
					t.Errorf("the library disagrees about %q", v)
				}
			}
		})
	}
}

// samples returns values on both sides of the documented bounds.
func samples(bounds string) (good, bad []string) {
	var least, most int64
	switch n, _ := fmt.Sscanf(bounds, "%d .. %d", &least, &most); {
	case n == 2:
		good = []string{fmt.Sprint(least), fmt.Sprint(most)}
		bad = []string{fmt.Sprint(least - 1), fmt.Sprint(most + 1), "x"}
	case bounds != "":
		for v := range strings.SplitSeq(bounds, ", ") {
			good = append(good, v, strings.ToUpper(v))
		}
		bad = []string{"yes", "on"}
	}
	return good, bad
}

// setByLibrary reports whether the library accepts the value of a property.
func setByLibrary(t *testing.T, key, value string) bool {
	t.Helper()
	if key == "debug" && value != "yes" && value != "on" { // would write to the test's stderr
		return true
	}
	c, err := kafka.NewConsumer(&kafka.ConfigMap{"group.id": "g", "log_level": 0, key: value})
	if err == nil {
		_ = c.Close()
		return true
	}
	// For any other error, the value is fine alone but does not fit the rest.
	return !strings.Contains(err.Error(), "Invalid value") && !strings.Contains(err.Error(), "outside allowed range") && !strings.Contains(err.Error(), "Expected bool") &&
		!strings.Contains(err.Error(), "No such configuration property")
}

// TestLibraryChangesText checks which text librdkafka changes. Package settings
// refuses exactly this text. The texts of PEM keys are an exception, because
// white space in front of PEM text has no meaning.
func TestLibraryChangesText(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"transactional.id", "client.id", "client.rack", "sasl.username", "sasl.password", "ssl.key.password", "sasl.oauthbearer.token.endpoint.url",
		"sasl.oauthbearer.client.id", "sasl.oauthbearer.client.secret", "sasl.oauthbearer.scope", "sasl.oauthbearer.extensions",
	} {
		for _, text := range []string{"x", " x", "\tx", "\nx", "\vx", "\fx", "\rx", "x ", "x\t", "x\n", "x y", "\u00a0x", "\u0085x", "x\x00y", "é", "\xff"} {
			changes := strings.ContainsRune(text, 0) || key != "client.rack" && strings.ContainsRune(" \t\n\v\f\r", rune(text[0]))
			if got, ok := librdkafkatest.Stored(key, text); !ok || (got != text) != changes {
				t.Errorf("%s: %q becomes %q, %t", key, text, got, ok)
			}
		}
	}
}
