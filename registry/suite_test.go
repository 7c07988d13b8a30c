package registry_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/registrytest"
)

// The suites run against every dialect of registrytest, or against the real
// registry at AVROLINE_TEST_REGISTRY. For a user of the client all registries
// must behave the same, except for the differences in lacks. docs/registry.md
// has the table.
type suite struct {
	*registry.Client
	url    string
	prefix string // prefix of the subjects in this run
	lacks  lacks
}

// lacks lists the features that a registry does not have.
type lacks struct{ guids, contracts, contexts, modes, deletedIDs bool }

func lacksOf(dialect registrytest.Dialect) lacks {
	switch dialect {
	case registrytest.Confluent8:
		return lacks{}
	case registrytest.Confluent7:
		return lacks{guids: true}
	case registrytest.Redpanda:
		return lacks{guids: true, contracts: true, contexts: true}
	case registrytest.Karapace:
		return lacks{guids: true, contracts: true, contexts: true, modes: true}
	default: // Apicurio
		return lacks{guids: true, contracts: true, contexts: true, modes: true, deletedIDs: true}
	}
}

func eachRegistry(t *testing.T, test func(*testing.T, suite)) {
	t.Helper()
	t.Parallel()
	if url := os.Getenv("AVROLINE_TEST_REGISTRY"); url != "" {
		test(t, newSuite(t, url, lacksOf(registrytest.Apicurio)))
		return
	}
	for _, dialect := range registrytest.Dialects() {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			server := registrytest.Start(t, registrytest.WithDialect(dialect), registrytest.WithLevel(compat.Backward))
			test(t, newSuite(t, server.URL, lacksOf(dialect)))
		})
	}
}

func newSuite(t *testing.T, url string, l lacks) suite {
	t.Helper()
	return suite{
		url: url, prefix: "suite-" + uuid.NewString()[:8] + "-", lacks: l, Client: newClient(t, []string{url}),
	}
}

// another returns a client with empty caches.
func (s suite) another(t *testing.T) *registry.Client { return newClient(t, []string{s.url}) }

// text returns a schema that is unique to this run, so that its id is new.
func (s suite) text(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(`{"type":"record","name":"NAME","namespace":"RUN","fields":[{"name":"id","type":"string"}]}`,
		"NAME", name), "RUN", strings.ReplaceAll(s.prefix, "-", "_"))
}

func TestSuiteRegisterLookupRead(t *testing.T) { eachRegistry(t, suiteRegisterLookupRead) }

func suiteRegisterLookupRead(t *testing.T, s suite) {
	ctx := context.Background()
	subject, text := s.prefix+"a", s.text("A")
	if _, err := s.Lookup(ctx, subject, registry.Schema{Text: text}); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("Lookup before: %v", err)
	}
	if _, err := s.Latest(ctx, subject); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("Latest before: %v", err)
	}
	made, err := s.Register(ctx, subject, registry.Schema{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	id, guid := made.ID, made.GUID
	if (guid == uuid.Nil) != s.lacks.guids {
		t.Errorf("GUID %v", guid)
	}
	c := s.another(t)
	spaced := strings.ReplaceAll(text, ",", " ,\n ")
	type call = func(ctx context.Context, subject string, schema registry.Schema) (registry.Version, error)
	for what, test := range map[string]struct {
		call    call
		subject string
		schema  registry.Schema
	}{
		"again":                      {c.Register, subject, registry.Schema{Text: text}},
		"normalized":                 {c.Register, subject, registry.Schema{Text: text, Normalize: true}},
		"on another subject":         {c.Register, subject + "2", registry.Schema{Text: text}},
		"with white space":           {c.Register, subject, registry.Schema{Text: spaced}},
		"looked up":                  {s.another(t).Lookup, subject, registry.Schema{Text: text}},
		"looked up with white space": {s.another(t).Lookup, subject, registry.Schema{Text: spaced}},
		"looked up, normalized":      {s.another(t).Lookup, subject, registry.Schema{Text: text, Normalize: true}},
	} {
		if got, err := test.call(ctx, test.subject, test.schema); err != nil || got.ID != id || got.GUID != guid {
			t.Errorf("%s: %+v, %v; want %d, %v", what, got, err, id, guid)
		}
	}
	if got, err := s.another(t).SchemaByID(ctx, subject, id); err != nil || got.Schema != text {
		t.Errorf("SchemaByID = %s, %v", got.Schema, err)
	}
	if !s.lacks.guids {
		if got, err := c.SchemaByGUID(ctx, guid); err != nil || got.Schema != text {
			t.Errorf("SchemaByGUID = %s, %v", got.Schema, err)
		}
	}
	if _, err := c.SchemaByGUID(ctx, uuid.New()); err == nil {
		t.Error("a schema for a random GUID")
	}
	if got, err := c.Latest(ctx, subject); err != nil || got.Schema != text || got.ID != id {
		t.Errorf("Latest = %+v, %v", got, err)
	}
	if _, err := c.SchemaByID(ctx, "", 1<<30); !errors.Is(err, registry.ErrSchemaNotFound) {
		t.Errorf("unknown id: %v", err)
	}
	if _, err := c.Lookup(ctx, subject, registry.Schema{Text: s.text("B")}); !errors.Is(err, registry.ErrSchemaNotFound) {
		t.Errorf("Lookup of another schema: %v", err)
	}
	if _, err := c.Version(ctx, subject, 99); !errors.Is(err, registry.ErrVersionNotFound) {
		t.Errorf("version 99: %v", err)
	}
	if _, err := c.Versions(ctx, s.prefix+"none"); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("versions of no subject: %v", err)
	}
	pairs, err := c.VersionsOf(ctx, id)
	if err != nil || len(pairs) != 2 {
		t.Errorf("VersionsOf = %v, %v", pairs, err)
	}
	names, err := c.Subjects(ctx)
	if err != nil || !slices.Contains(names, subject) || !slices.Contains(names, subject+"2") {
		t.Errorf("Subjects = %v, %v", names, err)
	}
}

// TestSuiteTextAsWritten checks that the registry stores the text as written,
// with docs, defaults, aliases and logical types.
func TestSuiteTextAsWritten(t *testing.T) { eachRegistry(t, suiteTextAsWritten) }

func suiteTextAsWritten(t *testing.T, s suite) {
	ctx := context.Background()
	text := strings.ReplaceAll(`{"type":"record","name":"Rich","namespace":"RUN","doc":"ü \"quoted\"","aliases":["Old"],"owner":"me","fields":[`+
		`{"name":"t","type":{"type":"long","logicalType":"timestamp-millis"},"doc":"when"},`+
		`{"name":"d","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}],"default":null,"aliases":["old_d"]},`+
		`{"name":"n","type":"double","default":1000.0}]}`, "RUN", strings.ReplaceAll(s.prefix, "-", "_"))
	made, err := s.Register(ctx, s.prefix+"rich", registry.Schema{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	read, err := s.another(t).SchemaByID(ctx, "", made.ID)
	if err != nil {
		t.Fatal(err)
	}
	got := read.Schema
	// Registries print schemas again, so the order of keys may differ. Two
	// different definitions of the same name are an error.
	if _, err := avsc.ParseSet(avsc.Source{Name: "ours", Text: []byte(text)}, avsc.Source{Name: "theirs", Text: []byte(got)}); err != nil {
		t.Errorf("registered\n%s\ngot\n%s\n%v", text, got, err)
	}
	if other := strings.Replace(got, `"old_d"`, `"older_d"`, 1); other != got {
		if _, err := avsc.ParseSet(avsc.Source{Name: "ours", Text: []byte(text)}, avsc.Source{Name: "theirs", Text: []byte(other)}); err == nil {
			t.Error("control: a lost alias would not be seen")
		}
	}
}

func TestSuiteEvolution(t *testing.T) { eachRegistry(t, suiteEvolution) }

func suiteEvolution(t *testing.T, s suite) {
	ctx := context.Background()
	subject := s.prefix + "evolution"
	field := func(f string) string { return strings.Replace(s.text("E"), "}]", "},"+f+"]", 1) }
	optional, required := field(`{"name":"o","type":"string","default":""}`), field(`{"name":"r","type":"string"}`)
	if _, err := s.Register(ctx, subject, registry.Schema{Text: s.text("E")}); err != nil {
		t.Fatal(err)
	}
	if l, err := s.Compatibility(ctx, subject); err != nil || l != compat.Backward {
		t.Errorf("Compatibility = %v, %v", l, err)
	}
	if found, err := s.TestCompatibility(ctx, subject, registry.Schema{Text: optional}); err != nil || len(found) != 0 {
		t.Errorf("an optional field: %v, %v", found, err)
	}
	found, err := s.TestCompatibility(ctx, subject, registry.Schema{Text: required})
	if err != nil || len(found) != 1 || found[0].Type != compat.MissingDefault || found[0].Path != "/fields/1" || found[0].Advice == "" {
		t.Errorf("a required field: %+v, %v", found, err)
	}
	found, err = s.TestCompatibility(ctx, subject, registry.Schema{Text: required}, registry.WithVersion(1))
	if err != nil || len(found) != 1 || found[0].Type != compat.MissingDefault {
		t.Errorf("a required field against version 1: %+v, %v", found, err)
	}
	if _, err = s.TestCompatibility(ctx, subject, registry.Schema{Text: required}, registry.WithVersion(9)); !errors.Is(err, registry.ErrVersionNotFound) {
		t.Errorf("against version 9: %v", err)
	}
	if found, err = s.TestCompatibility(ctx, s.prefix+"none", registry.Schema{Text: required}); err != nil || len(found) != 0 {
		t.Errorf("on no subject: %v, %v", found, err)
	}
	_, err = s.Register(ctx, subject, registry.Schema{Text: required})
	var refused *registry.IncompatibleError
	if !errors.As(err, &refused) || refused.Subject != subject || len(refused.Findings) != 1 ||
		refused.Findings[0].Type != compat.MissingDefault || refused.Findings[0].Path != "/fields/1" {
		t.Errorf("Register of a required field: %v", err)
	}
	for _, l := range []compat.Level{
		compat.Backward, compat.BackwardTransitive, compat.Forward, compat.ForwardTransitive, compat.Full, compat.FullTransitive, compat.None,
	} {
		if err := s.SetCompatibility(ctx, subject, l); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Compatibility(ctx, subject); err != nil || got != l {
			t.Errorf("Compatibility = %v, %v; want %v", got, err, l)
		}
	}
	if _, err := s.Register(ctx, subject, registry.Schema{Text: required}); err != nil {
		t.Errorf("at NONE: %v", err)
	}
	// BACKWARD compares only with the latest version. BACKWARD_TRANSITIVE also
	// compares with the first version.
	if err := s.SetCompatibility(ctx, subject, compat.Backward); err != nil {
		t.Fatal(err)
	}
	retyped := strings.Replace(required, `"r","type":"string"`, `"r","type":["string","null"]`, 1)
	if _, err := s.Register(ctx, subject, registry.Schema{Text: retyped}); err != nil {
		t.Errorf("BACKWARD with version 2 only: %v", err)
	}
	if err := s.SetCompatibility(ctx, subject, compat.BackwardTransitive); err != nil {
		t.Fatal(err)
	}
	again := strings.Replace(required, `"r","type":"string"`, `"r","type":["string","null","int"]`, 1)
	if _, err := s.Register(ctx, subject, registry.Schema{Text: again}); !errors.As(err, &refused) || len(refused.Findings) != 1 {
		t.Errorf("BACKWARD_TRANSITIVE: %v", err)
	}
	if found, err = s.TestCompatibility(ctx, subject, registry.Schema{Text: again}); err != nil || len(found) != 1 {
		t.Errorf("BACKWARD_TRANSITIVE, tested: %v, %v", found, err)
	}
	if err := s.DeleteCompatibility(ctx, subject); err != nil {
		t.Error(err)
	}
	if err := s.DeleteCompatibility(ctx, subject); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if l, err := s.Compatibility(ctx, subject); err != nil || l != compat.Backward {
		t.Errorf("the global level counts again: %v, %v", l, err)
	}
	if l, err := s.GlobalCompatibility(ctx); err != nil || l != compat.Backward {
		t.Errorf("GlobalCompatibility = %v, %v", l, err)
	}
	versions, err := s.Versions(ctx, subject)
	if err != nil || fmt.Sprint(versions) != "[1 2 3]" {
		t.Errorf("Versions = %v, %v", versions, err)
	}
}

func TestSuiteInvalidSchemas(t *testing.T) { eachRegistry(t, suiteInvalidSchemas) }

func suiteInvalidSchemas(t *testing.T, s suite) {
	ctx := context.Background()
	for _, text := range []string{
		`nonsense`, `{"type":"recor"}`, `{"type":"record","name":"A","fields":[{"name":"x","type":"Missing"}]}`,
		`{"type":"record","name":"A","fields":[{"name":"x","type":"int","default":"s"}]}`,
		`{"type":"record","name":"A-b","fields":[]}`,
	} {
		_, err := s.Register(ctx, s.prefix+"bad", registry.Schema{Text: text})
		var answer *registry.Error
		if !errors.As(err, &answer) || answer.Status != 422 || answer.Code != 42201 || answer.Message == "" || !strings.Contains(err.Error(), s.prefix+"bad") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSuiteReferences(t *testing.T) { eachRegistry(t, suiteReferences) }

func suiteReferences(t *testing.T, s suite) {
	ctx := context.Background()
	ns := strings.ReplaceAll(s.prefix, "-", "_")
	sub := func(text string) string { return strings.ReplaceAll(text, "RUN", ns) }
	// Order → Item → Money and Order → Money are nested references and a
	// diamond.
	money := sub(`{"type":"record","name":"Money","namespace":"RUN","fields":[{"name":"cents","type":"long"}]}`)
	item := sub(`{"type":"record","name":"Item","namespace":"RUN","fields":[{"name":"price","type":"RUN.Money"}]}`)
	order := sub(`{"type":"record","name":"Order","namespace":"RUN","fields":[{"name":"items","type":{"type":"array","items":"RUN.Item"}},{"name":"total","type":"RUN.Money"}]}`)
	whole := sub(`{"type":"record","name":"Order","namespace":"RUN","fields":[{"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","namespace":"RUN","fields":[{"name":"price","type":{"type":"record","name":"Money","namespace":"RUN","fields":[{"name":"cents","type":"long"}]}}]}}},{"name":"total","type":"RUN.Money"}]}`)
	toMoney := registry.Reference{Name: ns + ".Money", Subject: s.prefix + "money", Version: 1}
	toItem := registry.Reference{Name: ns + ".Item", Subject: s.prefix + "item", Version: 1}
	for _, step := range []struct {
		subject string
		schema  registry.Schema
	}{
		{s.prefix + "money", registry.Schema{Text: money}},
		{s.prefix + "item", registry.Schema{Text: item, References: []registry.Reference{toMoney}}},
	} {
		if _, err := s.Register(ctx, step.subject, step.schema); err != nil {
			t.Fatal(err)
		}
	}
	refs := []registry.Reference{toItem, toMoney}
	v, err := s.Register(ctx, s.prefix+"order", registry.Schema{Text: order, References: refs})
	if err != nil || v.Schema != whole || v.ID == 0 {
		t.Fatalf("Register = %+v, %v", v, err)
	}
	c := s.another(t)
	if got, err := c.SchemaByID(ctx, "", v.ID); err != nil || got.Schema != whole {
		t.Errorf("SchemaByID = %s, %v", got.Schema, err)
	}
	got, err := c.Version(ctx, s.prefix+"order", 1)
	if err != nil || got.Schema != whole || got.Registered != order || !slices.Equal(got.References, refs) || got.ID != v.ID {
		t.Errorf("Version = %+v, %v", got, err)
	}
	if got, err := c.Lookup(ctx, s.prefix+"order", registry.Schema{Text: order, References: refs}); err != nil || got.ID != v.ID {
		t.Errorf("Lookup = %+v, %v", got.ID, err)
	}
	if found, err := c.TestCompatibility(ctx, s.prefix+"order", registry.Schema{Text: order, References: refs}); err != nil || len(found) != 0 {
		t.Errorf("TestCompatibility = %v, %v", found, err)
	}
	ids, err := c.ReferencedBy(ctx, s.prefix+"item", 1)
	if err != nil || !slices.Equal(ids, []int{v.ID}) {
		t.Errorf("ReferencedBy = %v, %v", ids, err)
	}
	for name, bad := range map[string][]registry.Reference{
		"none": nil, "no subject": {{Name: ns + ".Item", Subject: s.prefix + "none", Version: 1}}, "no version": {{Name: ns + ".Item", Subject: s.prefix + "item", Version: 9}},
	} {
		_, err := s.Register(ctx, s.prefix+"bad", registry.Schema{Text: order, References: bad})
		var answer *registry.Error
		if !errors.As(err, &answer) || answer.Status != 422 {
			t.Errorf("references %s: %v", name, err)
		}
	}
	var answer *registry.Error
	if err := c.DeleteVersion(ctx, s.prefix+"item", 1, registry.Soft); !errors.As(err, &answer) || answer.Code != 42206 {
		t.Errorf("deleting what is referred to: %v", err)
	}
}

func TestSuiteDeletes(t *testing.T) { eachRegistry(t, suiteDeletes) }

func suiteDeletes(t *testing.T, s suite) {
	ctx := context.Background()
	subject := s.prefix + "gone"
	made, err := s.Register(ctx, subject, registry.Schema{Text: s.text("G")})
	if err != nil {
		t.Fatal(err)
	}
	id := made.ID
	if err := s.DeleteVersion(ctx, subject, 1, registry.Permanent); err == nil {
		t.Error("a permanent deletion before the soft one")
	}
	if versions, err := s.DeleteSubject(ctx, subject, registry.Soft); err != nil || !slices.Equal(versions, []int{1}) {
		t.Fatalf("DeleteSubject = %v, %v", versions, err)
	}
	if _, err := s.Latest(ctx, subject); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("Latest of a deleted subject: %v", err)
	}
	if _, err := s.Lookup(ctx, subject, registry.Schema{Text: s.text("G")}); err == nil {
		t.Error("Lookup on a deleted subject")
	}
	if got, err := s.another(t).SchemaByID(ctx, "", id); err != nil || got.Schema != s.text("G") {
		t.Errorf("the id after a soft deletion: %s, %v", got.Schema, err)
	}
	if names, err := s.Subjects(ctx, registry.IncludeDeleted()); err != nil || !slices.Contains(names, subject) {
		t.Errorf("Subjects with deleted ones: %v, %v", names, err)
	}
	if names, err := s.Subjects(ctx); err != nil || slices.Contains(names, subject) {
		t.Errorf("Subjects: %v, %v", names, err)
	}
	// The schema gets the same id again.
	if again, err := s.Register(ctx, subject, registry.Schema{Text: s.text("G")}); err != nil || again.ID != id {
		t.Errorf("registered again.ID: %d, %v; want %d", again.ID, err, id)
	}
	if versions, err := s.Versions(ctx, subject); err != nil || len(versions) != 1 {
		t.Errorf("Versions = %v, %v", versions, err)
	}
	if _, err := s.DeleteSubject(ctx, subject, registry.Soft); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteSubject(ctx, subject, registry.Permanent); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Versions(ctx, subject, registry.IncludeDeleted()); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("Versions of nothing: %v", err)
	}
	if _, err := s.another(t).SchemaByID(ctx, "", id); !errors.Is(err, registry.ErrSchemaNotFound) && !s.lacks.deletedIDs {
		t.Errorf("the id after a permanent deletion: %v", err)
	}
	if _, err := s.DeleteSubject(ctx, s.prefix+"none", registry.Soft); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("deleting no subject: %v", err)
	}
	if _, err := s.DeleteSubject(ctx, subject, 0); err == nil {
		t.Error("a deletion of no kind")
	}
}

func TestSuiteOddSubjects(t *testing.T) { eachRegistry(t, suiteOddSubjects) }

func suiteOddSubjects(t *testing.T, s suite) {
	ctx := context.Background()
	for _, odd := range []string{"a/b", "a b", "a%b", "é", "a+b", "a:b", "a?b", "a#b", "a;b", `a"b`, "a%2Fb"} {
		subject := s.prefix + odd
		made, err := s.Register(ctx, subject, registry.Schema{Text: s.text("Odd")})
		if err != nil {
			t.Errorf("%q: %v", odd, err)
			continue
		}
		v, err := s.another(t).Latest(ctx, subject)
		if err != nil || v.ID != made.ID || v.Subject != subject {
			t.Errorf("%q: %+v, %v", odd, v, err)
		}
		if err := s.SetCompatibility(ctx, subject, compat.Full); err != nil {
			t.Errorf("%q: %v", odd, err)
		}
		if l, err := s.Compatibility(ctx, subject); err != nil || l != compat.Full {
			t.Errorf("%q: level %v, %v", odd, l, err)
		}
		if err := s.DeleteCompatibility(ctx, subject); err != nil {
			t.Errorf("%q: %v", odd, err)
		}
		if _, err := s.DeleteSubject(ctx, subject, registry.Soft); err != nil {
			t.Errorf("%q: %v", odd, err)
		}
	}
	for _, none := range []string{"", ".", ".."} {
		if _, err := s.Register(ctx, none, registry.Schema{Text: s.text("Odd")}); err == nil {
			t.Errorf("subject %q was taken", none)
		}
	}
}

func TestSuiteContexts(t *testing.T) { eachRegistry(t, suiteContexts) }

func suiteContexts(t *testing.T, s suite) {
	ctx := context.Background()
	if s.lacks.contexts {
		// This registry treats a context as a part of the subject's name.
		subject := ":." + s.prefix + "ctx:orders"
		made, err := s.Register(ctx, subject, registry.Schema{Text: s.text("C")})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.another(t).SchemaByID(ctx, subject, made.ID); err != nil || got.Schema != s.text("C") {
			t.Errorf("SchemaByID: %+v, %v", got, err)
		}
		// Apicurio has the call, but the subject's name did not create a
		// context.
		if names, err := s.Contexts(ctx); err == nil && slices.Contains(names, "."+s.prefix+"ctx") {
			t.Errorf("Contexts = %v", names)
		}
		return
	}
	context := ":." + s.prefix + "ctx:"
	if _, err := s.Register(ctx, s.prefix+"other", registry.Schema{Text: s.text("X")}); err != nil {
		t.Fatal(err)
	}
	made, err := s.Register(ctx, context+"orders", registry.Schema{Text: s.text("C")})
	if err != nil || made.ID != 1 {
		t.Fatalf("the first id of a context: %+v, %v", made, err)
	}
	id, guid := made.ID, made.GUID
	if got, err := s.another(t).SchemaByID(ctx, context+"orders", id); err != nil || got.Schema != s.text("C") {
		t.Errorf("SchemaByID in a context: %s, %v", got.Schema, err)
	}
	if got, err := s.another(t).SchemaByID(ctx, "", id); err == nil && got.Schema == s.text("C") {
		t.Errorf("the id counts outside of its context")
	}
	if got, err := s.SchemaByGUID(ctx, guid); !s.lacks.guids && (err != nil || got.Schema != s.text("C")) {
		t.Errorf("SchemaByGUID: %s, %v", got.Schema, err)
	}
	if names, err := s.Contexts(ctx); err != nil || !slices.Contains(names, "."+s.prefix+"ctx") {
		t.Errorf("Contexts = %v, %v", names, err)
	}
	if names, err := s.Subjects(ctx, registry.WithPrefix(context)); err != nil || !slices.Equal(names, []string{context + "orders"}) {
		t.Errorf("subjects of the context: %v, %v", names, err)
	}
	within := newClient(t, []string{s.url + "/contexts/." + s.prefix + "ctx"})
	if got, err := within.SchemaByID(ctx, "", id); err != nil || got.Schema != s.text("C") {
		t.Errorf("a client of the context: %s, %v", got.Schema, err)
	}

	// The registry answers for a subject of the default context from another
	// context. The ids of the answer are other ids.
	only := s.prefix + "only"
	if _, err := s.Register(ctx, context+only, registry.Schema{Text: s.text("E")}); err != nil {
		t.Fatal(err)
	}
	outside := s.another(t)
	if v, err := outside.Lookup(ctx, only, registry.Schema{Text: s.text("E")}); !errors.Is(err, registry.ErrSchemaNotFound) {
		t.Errorf("Lookup outside of the context: %+v, %v", v, err)
	}
	if v, err := outside.Version(ctx, only, 1); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("Version outside of the context: %+v, %v", v, err)
	}
	if v, err := outside.Latest(ctx, only); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("Latest outside of the context: %+v, %v", v, err)
	}
	for name, call := range map[string]func() (registry.Version, error){
		"Lookup":  func() (registry.Version, error) { return within.Lookup(ctx, only, registry.Schema{Text: s.text("E")}) },
		"Version": func() (registry.Version, error) { return within.Version(ctx, only, 1) },
		"Latest":  func() (registry.Version, error) { return within.Latest(ctx, only) },
	} {
		if v, err := call(); err != nil || v.Schema != s.text("E") {
			t.Errorf("%s within the context: %+v, %v", name, v, err)
		}
	}
	if _, err := outside.Register(ctx, only, registry.Schema{Text: s.text("F")}); err != nil {
		t.Fatal(err)
	}
	if v, err := outside.Version(ctx, only, 1); err != nil || v.Schema != s.text("F") {
		t.Errorf("Version after a registration: %+v, %v", v, err)
	}
}

func TestSuiteContracts(t *testing.T) { eachRegistry(t, suiteContracts) }

func suiteContracts(t *testing.T, s suite) {
	ctx := context.Background()
	meta := s.prefix + "meta"
	rules := &registry.RuleSet{DomainRules: []registry.Rule{{
		Name: "encryptPII", Kind: "TRANSFORM", Type: "ENCRYPT", Mode: "WRITEREAD", Tags: []string{"PII"},
		Params: map[string]string{"encrypt.kek.name": "kek"}, OnFailure: "ERROR,NONE",
	}}}
	if s.lacks.contracts {
		// The registry drops rules and tags without an error. The client must
		// not call that a success, also if the schema is there already.
		for part, sc := range map[string]registry.Schema{
			"rules":         {Text: s.text("M"), Metadata: &registry.Metadata{}, RuleSet: rules},
			"metadata tags": {Text: s.text("M"), Metadata: &registry.Metadata{Tags: map[string][]string{"**.id": {"PII"}}}},
		} {
			for call, ask := range map[string]func(context.Context, string, registry.Schema) (registry.Version, error){"Register": s.Register, "Lookup": s.Lookup} {
				v, err := ask(ctx, meta, sc)
				if call == "Lookup" && errors.Is(err, registry.ErrSchemaNotFound) || errors.Is(err, registry.ErrSubjectNotFound) {
					continue // not registered yet
				}
				if !errors.Is(err, registry.ErrUnsupported) || !strings.Contains(err.Error(), "dropped its "+part) {
					t.Errorf("%s with %s = %+v, %v", call, part, v, err)
				}
			}
		}
		if _, err := s.LatestWithMetadata(ctx, meta, map[string]string{"major": "1"}); err == nil {
			t.Error("LatestWithMetadata: no error")
		}
		return
	}
	metadata := func(major string) *registry.Metadata {
		return &registry.Metadata{
			Properties: map[string]string{"major": major}, Sensitive: []string{"key"},
			Tags: map[string][]string{"**.id": {"PII"}},
		}
	}
	v1, err := s.Register(ctx, meta, registry.Schema{Text: s.text("M"), Metadata: metadata("1"), RuleSet: rules})
	if err != nil {
		t.Fatal(err)
	}
	v2, err := s.Register(ctx, meta, registry.Schema{Text: s.text("M"), Metadata: metadata("2")})
	if err != nil || v2.ID == v1.ID {
		t.Fatalf("%+v, %v", v2, err)
	}
	c := s.another(t)
	for what, ask := range map[string]func() (registry.Version, error){
		"SchemaByID": func() (registry.Version, error) { return c.SchemaByID(ctx, "", v1.ID) },
		"Version":    func() (registry.Version, error) { return c.Version(ctx, meta, 1) },
		"LatestWithMetadata": func() (registry.Version, error) {
			return c.LatestWithMetadata(ctx, meta, map[string]string{"major": "1"})
		},
		"Lookup": func() (registry.Version, error) {
			return c.Lookup(ctx, meta, registry.Schema{Text: s.text("M"), Metadata: metadata("1"), RuleSet: rules})
		},
		"Register": func() (registry.Version, error) {
			return s.another(t).Register(ctx, meta, registry.Schema{Text: s.text("M"), Metadata: metadata("1"), RuleSet: rules})
		},
	} {
		v, err := ask()
		if err != nil || v.ID != v1.ID {
			t.Errorf("%s: %+v, %v; want id %d", what, v, err, v1.ID)
			continue
		}
		if diff := cmp.Diff(metadata("1"), v.Metadata) + cmp.Diff(rules, v.RuleSet); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	if _, err := s.LatestWithMetadata(ctx, meta, map[string]string{"major": "3"}); !errors.Is(err, registry.ErrSchemaNotFound) {
		t.Errorf("LatestWithMetadata of none: %v", err)
	}
	// A new version takes over the rules and the metadata of the previous
	// version.
	v3, err := s.Register(ctx, meta, registry.Schema{Text: s.text("M3")})
	if err == nil {
		t.Errorf("another name is not compatible: %+v", v3)
	}
	wider := strings.Replace(s.text("M"), "}]}", `},{"name":"n","type":"int","default":0}]}`, 1)
	if _, err := s.Register(ctx, meta, registry.Schema{Text: wider}); err != nil {
		t.Fatal(err)
	}
	if v, err := s.another(t).Latest(ctx, meta); err != nil || v.Metadata == nil || v.Metadata.Properties["major"] != "2" || v.Version != 3 {
		t.Errorf("the metadata of version 2 is not carried on: %+v, %v", v, err)
	}
}

func TestSuiteModes(t *testing.T) { eachRegistry(t, suiteModes) }

func suiteModes(t *testing.T, s suite) {
	ctx := context.Background()
	if m, err := s.GlobalMode(ctx); err != nil || m != registry.ReadWrite {
		t.Errorf("GlobalMode = %v, %v", m, err)
	}
	if s.lacks.modes {
		return
	}
	meta := s.prefix + "mode"
	if _, err := s.Register(ctx, meta, registry.Schema{Text: s.text("M")}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetMode(ctx, meta, registry.ReadOnly); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Mode(ctx, meta); err != nil || m != registry.ReadOnly {
		t.Errorf("Mode = %v, %v", m, err)
	}
	var answer *registry.Error
	if _, err := s.Register(ctx, meta, registry.Schema{Text: s.text("N")}); !errors.As(err, &answer) || answer.Code != 42205 {
		t.Errorf("Register on a read-only subject: %v", err)
	}
	if err := errors.Join(s.DeleteMode(ctx, meta), s.DeleteMode(ctx, meta)); err != nil {
		t.Errorf("DeleteMode, twice: %v", err)
	}
	if m, err := s.Mode(ctx, meta); err != nil || m != registry.ReadWrite {
		t.Errorf("Mode without its own: %v, %v", m, err)
	}
	if m, err := s.GlobalMode(ctx); err != nil || m != registry.ReadWrite {
		t.Errorf("GlobalMode = %v, %v", m, err)
	}
}
