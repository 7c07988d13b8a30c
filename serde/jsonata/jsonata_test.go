package jsonata_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/jsonata"
)

func newRegistry(tb testing.TB) *registry.Client {
	tb.Helper()
	server, err := registrytest.NewServer()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = server.Close() })
	c, err := registry.New([]string{server.URL})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// schemas are three versions of a person: a field is renamed twice, and the
// third version splits the field.
func schemas() []string {
	return []string{
		`{"type":"record","name":"Person","fields":[{"name":"fullName","type":"string"},{"name":"id","type":"long"},{"name":"nick","type":["null","string"]}]}`,
		`{"type":"record","name":"Person","fields":[{"name":"name","type":"string"},{"name":"id","type":"long"},{"name":"nick","type":["null","string"]}]}`,
		`{"type":"record","name":"Person","fields":[{"name":"first","type":"string"},{"name":"last","type":"string"},{"name":"id","type":"long"},
			{"name":"nick","type":["null","string"]},{"name":"level","type":{"type":"enum","name":"Level","symbols":["LOW","HIGH"]},"default":"LOW"}]}`,
	}
}

// rules returns the migration rules of the second and the third version.
func rules() []*contract.RuleSet {
	rule := func(name, mode, expr string) contract.Rule {
		return contract.Rule{Name: name, Kind: contract.Transform, Mode: mode, Type: "JSONATA", Expr: expr}
	}
	return []*contract.RuleSet{
		{},
		{MigrationRules: []contract.Rule{
			rule("up2", contract.ModeUpgrade, `$merge([$sift($, function($v, $k) { $k != 'fullName' }), {'name': fullName}])`),
			rule("down2", contract.ModeDowngrade, `$merge([$, {'fullName': name}])`),
		}},
		{MigrationRules: []contract.Rule{
			rule("up3", contract.ModeUpgrade, `$merge([$, {'first': $substringBefore(name, ' '), 'last': $substringAfter(name, ' ')}])`),
			rule("down3", contract.ModeDowngrade, `$merge([$, {'name': first & ' ' & last}])`),
		}},
	}
}

// register registers the versions with their major version as metadata.
func register(tb testing.TB, reg *registry.Client, sets []*contract.RuleSet) {
	tb.Helper()
	if err := reg.SetCompatibility(tb.Context(), "people-value", compat.None); err != nil {
		tb.Fatal(err)
	}
	for i, text := range schemas() {
		_, err := reg.Register(tb.Context(), "people-value", registry.Schema{
			Text: text, RuleSet: sets[i], Metadata: &contract.Metadata{Properties: map[string]string{"major": fmt.Sprint(i + 1)}},
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func major(n int) serde.CommonOption {
	return serde.UseLatestWithMetadata(map[string]string{"major": fmt.Sprint(n)})
}

// write writes a person with one version of the schema.
func write(tb testing.TB, reg *registry.Client, version int, v map[string]any) []byte {
	tb.Helper()
	g, err := serde.NewGeneric(schemas()[version-1])
	if err != nil {
		tb.Fatal(err)
	}
	s, err := serde.NewSerializer(reg, major(version))
	if err != nil {
		tb.Fatal(err)
	}
	data, err := s.For("people", serde.Value).Append(tb.Context(), nil, g.Record(v))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func read(tb testing.TB, reg *registry.Client, data []byte, opts ...serde.DeserializerOption) (any, error) {
	tb.Helper()
	d, err := serde.NewGenericDeserializer(reg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return d.Decode(tb.Context(), serde.Input{Topic: "people", Data: data})
}

const beyondFloat = 9007199254740993 // 2^53 + 1

// people returns the same person in the three versions.
func people() []map[string]any {
	id, nick := int64(beyondFloat), map[string]any{"string": "a"}
	return []map[string]any{
		{"fullName": "Ada King", "id": id, "nick": nick},
		{"name": "Ada King", "id": id, "nick": nick},
		{"first": "Ada", "last": "King", "id": id, "nick": nick, "level": "LOW"},
	}
}

// TestMigrations checks that a reader of each version reads messages of each
// version.
func TestMigrations(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	register(t, reg, rules())
	for w := 1; w <= 3; w++ {
		data := write(t, reg, w, people()[w-1])
		for r := 1; r <= 3; r++ {
			got, err := read(t, reg, data, major(r), serde.WithRules(jsonata.Executors()...))
			if err != nil {
				t.Errorf("written as %d, read as %d: %v", w, r, err)
				continue
			}
			if diff := cmp.Diff(any(people()[r-1]), got); diff != "" {
				t.Errorf("written as %d, read as %d: %s", w, r, diff)
			}
		}
		got, err := read(t, reg, data, serde.UseLatest(), serde.WithRules(jsonata.Executors()...))
		if diff := cmp.Diff(any(people()[2]), got); diff != "" || err != nil {
			t.Errorf("written as %d, read as the latest: %v %s", w, err, diff)
		}
		// Without a pinned version, the message keeps the writer's version.
		if got, err := read(t, reg, data); !cmp.Equal(any(people()[w-1]), got) || err != nil {
			t.Errorf("control: %v, %v", got, err)
		}
	}
}

// TestMigrationKeepsBranches checks that a migration does not change the branch
// of a value that both versions have.
func TestMigrationKeepsBranches(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	if err := reg.SetCompatibility(t.Context(), "people-value", compat.None); err != nil {
		t.Fatal(err)
	}
	version := func(field string) string {
		return `{"type":"record","name":"R","fields":[{"name":"e","type":["null",
			{"type":"record","name":"Created","fields":[{"name":"id","type":"string"}]},
			{"type":"record","name":"Deleted","fields":[{"name":"id","type":"string"}]}]},{"name":"` + field + `","type":"int"}]}`
	}
	if _, err := reg.Register(t.Context(), "people-value", registry.Schema{Text: version("size")}); err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Register(t.Context(), "people-value", registry.Schema{Text: version("height"), RuleSet: &contract.RuleSet{MigrationRules: []contract.Rule{
		{Name: "up", Kind: contract.Transform, Mode: contract.ModeUpgrade, Type: "JSONATA", Expr: `$merge([$sift($, function($v, $k) { $k != 'size' }), {'height': size}])`},
	}}}); err != nil {
		t.Fatal(err)
	}
	g, err := serde.NewGeneric(version("size"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(reg, serde.LookupOnly())
	if err != nil {
		t.Fatal(err)
	}
	deleted := map[string]any{"Deleted": map[string]any{"id": "1"}}
	data, err := s.For("people", serde.Value).Append(t.Context(), nil, g.Record(map[string]any{"e": deleted, "size": 3}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(t, reg, data, serde.UseLatest(), serde.WithRules(jsonata.Executors()...))
	if diff := cmp.Diff(any(map[string]any{"e": deleted, "height": int32(3)}), got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// TestMigrationWithoutExecutor checks that a reader of a fixed version reads
// nothing if there is no executor for the migration rules.
func TestMigrationWithoutExecutor(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	register(t, reg, rules())
	data := write(t, reg, 1, people()[0])
	var rule *serde.RuleError
	if _, err := read(t, reg, data, major(3)); !errors.As(err, &rule) || !errors.Is(err, serde.ErrNoExecutor) || rule.Rule != "up2" {
		t.Errorf("%v", err)
	}
	// IgnoreRules resolves as Avro does, which is impossible here.
	if _, err := read(t, reg, data, major(3), serde.IgnoreRules()); err == nil {
		t.Error("an unreadable version was read")
	}
	d, err := serde.NewGenericDeserializer(reg, major(3), serde.WithRules(jsonata.Executors()...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(t.Context(), serde.Input{Data: data}); err == nil || !strings.Contains(err.Error(), "Topic") {
		t.Errorf("without a topic: %v", err)
	}
	if _, err := serde.NewGenericDeserializer(reg, major(3), serde.UseLatest()); err == nil {
		t.Error("two versions to read as were taken")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*contract.Rule)
		words  string // empty if the message is read
	}{
		"syntax":            {func(r *contract.Rule) { r.Expr = "$merge([" }, "ends too early"},
		"not supported":     {func(r *contract.Rule) { r.Expr = "$eval('1')" }, "$eval"},
		"no result":         {func(r *contract.Rule) { r.Expr = "nothing" }, "no result"},
		"another type":      {func(r *contract.Rule) { r.Expr = "7" }, "does not fit"},
		"missing field":     {func(r *contract.Rule) { r.Expr = "{'id': 1}" }, "name"},
		"mode":              {func(r *contract.Rule) { r.Mode = "SOMETIMES" }, "SOMETIMES"},
		"condition":         {func(r *contract.Rule) { r.Kind, r.Expr = contract.Condition, "id = 1" }, "unmet condition"},
		"endless":           {func(r *contract.Rule) { r.Expr = "($f := function($x) { $f($x) }; $f(1))" }, "limits"},
		"failure is passed": {func(r *contract.Rule) { r.Expr, r.OnFailure = "$error('MARKER')", "NONE" }, "does not fit"},
		"disabled":          {func(r *contract.Rule) { r.Disabled = true }, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			sets := rules()
			c.change(&sets[1].MigrationRules[0])
			register(t, reg, sets)
			data := write(t, reg, 1, people()[0])
			_, err := read(t, reg, data, major(2), serde.WithRules(jsonata.Executors()...))
			if err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "Ada") || strings.Contains(err.Error(), "MARKER") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestPinnedWithoutRules checks that compatible versions need no migration
// rule, because Avro's schema resolution is enough.
func TestPinnedWithoutRules(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	old, fresh := `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`,
		`{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":"string","default":"x"}]}`
	g, err := serde.NewGeneric(old)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(reg)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.For("people", serde.Value).Append(t.Context(), nil, g.Record(map[string]any{"a": int32(7)}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Register(t.Context(), "people-value", registry.Schema{Text: fresh}); err != nil {
		t.Fatal(err)
	}
	got, err := read(t, reg, data, serde.UseLatest())
	if diff := cmp.Diff(any(map[string]any{"a": int64(7), "b": "x"}), got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	config := serde.WithConfig(map[string]string{"use.latest.version": "true"})
	if got, err = read(t, reg, data, config); err != nil || got.(map[string]any)["b"] != "x" {
		t.Errorf("by the setting: %v, %v", got, err)
	}
	if got, err = read(t, reg, data, config, serde.UseLatest()); err != nil || got.(map[string]any)["b"] != "x" {
		t.Errorf("by both: %v, %v", got, err)
	}
}

// TestDomainRules checks that a JSONATA rule can be a domain rule.
func TestDomainRules(t *testing.T) {
	t.Parallel()
	schema := `{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","string","bytes"]}]}`
	for expr, want := range map[string]any{
		`$merge([$, {"a": a + 1}])`: map[string]any{"a": int64(beyondFloat + 1), "b": map[string]any{"bytes": []byte{0xff, 0}}},
		`{"a": a}`:                  map[string]any{"a": int64(beyondFloat), "b": nil},
		`{"a": a, "b": "new"}`:      map[string]any{"a": int64(beyondFloat), "b": map[string]any{"bytes": []byte("new")}},
		`{"a": "x"}`:                nil,
	} {
		reg := newRegistry(t)
		_, err := reg.Register(t.Context(), "people-value", registry.Schema{Text: schema, RuleSet: &contract.RuleSet{DomainRules: []contract.Rule{
			{Name: "r", Kind: contract.Transform, Mode: contract.ModeWrite, Type: "JSONATA", Expr: expr},
			{Name: "c", Kind: contract.Condition, Mode: contract.ModeWrite, Type: "JSONATA", Expr: "a > 1"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		g, err := serde.NewGeneric(schema)
		if err != nil {
			t.Fatal(err)
		}
		s, err := serde.NewSerializer(reg, serde.UseLatest(), serde.WithRules(jsonata.Executors()...))
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.For("people", serde.Value).Append(t.Context(), nil, g.Record(map[string]any{"a": int64(beyondFloat), "b": map[string]any{"bytes": []byte{0xff, 0}}}))
		if want == nil {
			if err == nil {
				t.Errorf("%s: no error", expr)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(t, reg, data); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: %v, %v", expr, got, err)
		}
	}
}
