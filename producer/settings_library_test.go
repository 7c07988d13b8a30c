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

// Every setting of the linked librdkafka has a row in the table of settings, its
// aliases too. A new version of the library fails here until somebody decides
// about its new settings.
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
		"share.acknowledgement.mode",                                                                                                       // of share groups, which nothing here joins
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

// A value that goes to the library as it is has the library's own bounds: what
// the table takes the library takes, and what the table refuses it refuses.
func TestPassedValuesAreTheLibrarys(t *testing.T) {
	t.Parallel()
	ranges := map[string]string{}
	for _, p := range librdkafkatest.Properties() {
		if ranges[p.Name] == "" { // the first is the client's, the second the topic's
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
			case "sasl.oauthbearer.metadata.authentication.type": // and takes aws_iam, which it cannot do
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

// samples are values at both sides of the bounds that the library documents.
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

// setByLibrary tells whether the library takes the value of a property.
func setByLibrary(t *testing.T, key, value string) bool {
	t.Helper()
	if key == "debug" && value != "yes" && value != "on" { // it would write to the test's stderr
		return true
	}
	c, err := kafka.NewConsumer(&kafka.ConfigMap{"group.id": "g", "log_level": 0, key: value})
	if err == nil {
		_ = c.Close()
		return true
	}
	// Other reasons: the value is fine alone, and does not fit the rest.
	return !strings.Contains(err.Error(), "Invalid value") && !strings.Contains(err.Error(), "outside allowed range") && !strings.Contains(err.Error(), "Expected bool") &&
		!strings.Contains(err.Error(), "No such configuration property")
}
