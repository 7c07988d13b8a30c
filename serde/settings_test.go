package serde_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/avroline/avroline/serde"
)

// TestWithConfig checks that the settings of Java's serializers have the same
// meaning here as in Java.
func TestWithConfig(t *testing.T) {
	t.Parallel()
	const java = "io.confluent.kafka.serializers.subject."
	for _, c := range []struct {
		name     string
		settings map[string]string
		call     string // the call that finds the id; "" for an error
	}{
		{"nothing", nil, "register orders-value false"},
		{"register", map[string]string{"auto.register.schemas": "true", "use.latest.version": "true"}, "register orders-value false"},
		{"Java's default", map[string]string{"use.latest.version": "true"}, "register orders-value false"},
		{"look up", map[string]string{"auto.register.schemas": "false"}, "lookup orders-value false"},
		{"normalize", map[string]string{"auto.register.schemas": "FALSE", "normalize.schemas": "true"}, "lookup orders-value true"},
		{"latest", map[string]string{"auto.register.schemas": "false", "use.latest.version": "true", "latest.compatibility.strict": "false"}, "latest orders-value"},
		{"metadata", map[string]string{"auto.register.schemas": "false", "use.latest.version": "true", "use.latest.with.metadata": "a=b"}, "metadata orders-value"},
		{"id", map[string]string{"auto.register.schemas": "false", "use.schema.id": "0", "use.latest.version": "true"}, "id 0"},
		{"no id", map[string]string{"auto.register.schemas": "false", "use.schema.id": "-1"}, "lookup orders-value false"},
		{"by record", map[string]string{"value.subject.name.strategy": java + "RecordNameStrategy"}, "register shop.Order false"},
		{"by topic and record", map[string]string{"value.subject.name.strategy": "TopicRecordNameStrategy"}, "register orders-shop.Order false"},
		{"short name", map[string]string{"value.subject.name.strategy": "TOPIC_RECORD"}, "register orders-shop.Order false"},
		{"the key's", map[string]string{"key.subject.name.strategy": java + "RecordNameStrategy"}, "register orders-value false"},
		{"associated", map[string]string{"value.subject.name.strategy": java + "AssociatedNameStrategy", "subject.name.strategy.kafka.cluster.id": "lkc-1"}, "register finance false"},
		{"associated, fallback", map[string]string{"value.subject.name.strategy": "ASSOCIATED", "subject.name.strategy.fallback.type": "RECORD"}, "register shop.Order false"},
		{"other readers' keys", map[string]string{"bootstrap.servers": "x", "schema.registry.url": "y", "specific.avro.reader": "true", "latest.cache.ttl.sec": "9"}, "register orders-value false"},
		{"not a boolean", map[string]string{"auto.register.schemas": "maybe"}, ""},
		{"own strategy", map[string]string{"value.subject.name.strategy": "com.shop.OurStrategy"}, ""},
		{"not an id", map[string]string{"use.schema.id": "x"}, ""},
		{"no inline rules", map[string]string{"validation.rules.execution": "disabled"}, "register orders-value false"},
		{"inline rules", map[string]string{"validation.rules.execution": "BEFORE_DOMAIN_RULES"}, ""},
		{"no context", map[string]string{"context.name.strategy": "io.confluent.kafka.serializers.context.NullContextNameStrategy"}, "register orders-value false"},
		{"own contexts", map[string]string{"context.name.strategy": "com.shop.OurContexts"}, ""},
		{"not properties", map[string]string{"use.latest.with.metadata": "a"}, ""},
		{"id form", map[string]string{"value.schema.id.serializer": "Both"}, ""},
		{"fallback", map[string]string{"value.subject.name.strategy": "ASSOCIATED", "subject.name.strategy.fallback.type": "X"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "app.properties")
			var text strings.Builder
			for k, v := range c.settings {
				text.WriteString(k + "=" + v + "\n")
			}
			if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			for name, opt := range map[string]serde.CommonOption{"map": serde.WithConfig(c.settings), "file": serde.WithConfigFile(path)} {
				reg := fullRegistry{newFake()}
				reg.put("orders-value", orderSchema)
				reg.metadata[orderSchema] = map[string]string{"a": "b"}
				reg.associated = map[[3]string][]string{{"orders", "lkc-1", "value"}: {"finance"}}
				s, err := serde.NewSerializer(reg, opt)
				if c.call == "" {
					if err == nil {
						t.Errorf("%s: no error", name)
					}
					for key := range c.settings {
						if strings.Contains(err.Error(), key) {
							return
						}
					}
					t.Errorf("%s: %v names no key", name, err)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.For("orders", serde.Value).Append(t.Context(), nil, anOrder); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if reg.calls[c.call] != 1 {
					t.Errorf("%s: calls %v, want %s", name, reg.calls, c.call)
				}
				if _, err := serde.NewDeserializer[order](reg, opt); err != nil {
					t.Error(err)
				}
			}
		})
	}
	reg := newFake()
	s := mustSerializer(t, reg, serde.WithConfig(map[string]string{"key.schema.id.serializer": "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer"}))
	for part, want := range map[serde.Part]bool{serde.Value: false, serde.Key: true} {
		if _, ok, err := s.For("orders", part).Header(t.Context(), anOrder); err != nil || ok != want {
			t.Errorf("%s: header %v, %v", part, ok, err)
		}
	}
	if _, err := serde.NewSerializer(reg, serde.WithConfigFile("/nowhere.properties")); err == nil {
		t.Error("a file that is not there was taken")
	}
}

func TestWithEnviron(t *testing.T) { //nolint:paralleltest // it sets the environment
	t.Setenv("SERDE_TEST_AUTO_REGISTER_SCHEMAS", "false")
	reg := newFake()
	reg.put("orders-value", orderSchema)
	if _, err := mustSerializer(t, reg, serde.WithEnviron("SERDE_TEST_")).For("orders", serde.Value).Append(t.Context(), nil, anOrder); err != nil {
		t.Error(err)
	}
	if reg.calls["lookup orders-value false"] != 1 {
		t.Error(reg.calls)
	}
}
