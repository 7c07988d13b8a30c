package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// referring returns a registry in which version n of subject s has the
// references refs(n). The schema with id 1 has the references refs(0).
func referring(refs func(n int) []int, calls *atomic.Int32) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		calls.Add(1)
		var n int
		if strings.HasPrefix(r.URL.Path, "/subjects/s/versions/") {
			if _, err := fmt.Sscanf(r.URL.Path, "/subjects/s/versions/%d", &n); err != nil {
				return nil, err
			}
		}
		var list, fields []string
		for i, to := range refs(n) {
			list = append(list, fmt.Sprintf(`{"name":"R%d","subject":"s","version":%d}`, to, to))
			fields = append(fields, fmt.Sprintf(`{\"name\":\"f%d\",\"type\":\"R%d\"}`, i, to))
		}
		return reply(r, 200, fmt.Sprintf(`{"subject":"s","version":%d,"id":%d,"schema":"{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[%s]}","references":[%s]}`,
			n, n+1, n, strings.Join(fields, ","), strings.Join(list, ","))), nil
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		refs  func(int) []int
		err   string // "" means no error
		calls int32
	}{
		"none":    {func(int) []int { return nil }, "", 1},
		"diamond": {func(n int) []int { return [][]int{{1, 2}, {3}, {3}, nil}[n] }, "", 4},
		"thirty-two deep": {func(n int) []int {
			if n == 31 {
				return nil
			}
			return []int{n + 1}
		}, "", 32},
		"too deep":   {func(n int) []int { return []int{n + 1} }, "more than 32 deep", 33},
		"itself":     {func(n int) []int { return []int{1} }, "circle through version 1", 2},
		"a circle":   {func(n int) []int { return []int{n%2 + 1} }, "circle through version", 3},
		"version 0":  {func(n int) []int { return []int{0} }, "0 is not a version", 1},
		"exploding":  {func(n int) []int { return []int{n + 1, n + 2} }, "more than", 0},
		"very broad": {func(n int) []int { return breadth(n, 2000) }, "more than 1000 references", 1001},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			c := newClient(t, []string{"http://registry.invalid"}, registry.WithTransport(referring(test.refs, &calls)))
			v, err := c.SchemaByID(context.Background(), "", 1)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Fatalf("%+v, %v", v, err)
			}
			if n := calls.Load(); test.calls > 0 && n != test.calls {
				t.Errorf("%d calls, want %d", n, test.calls)
			}
			if err == nil && strings.Count(v.Schema, `"record"`) != int(test.calls) {
				t.Errorf("not every part is in the text once: %s", v.Schema)
			}
		})
	}
}

func breadth(n, width int) []int {
	if n > 0 {
		return nil
	}
	refs := make([]int, width)
	for i := range refs {
		refs[i] = i + 1
	}
	return refs
}

// TestReferencesDeleted reads a schema whose reference is softly deleted.
// Confluent's registry lets a schema and then its reference be deleted, and
// old messages stay readable.
func TestReferencesDeleted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := registrytest.Start(t)
	c := newClient(t, []string{s.URL})
	if _, err := c.Register(ctx, "part", registry.Schema{Text: `{"type":"fixed","name":"F","size":2}`}); err != nil {
		t.Fatal(err)
	}
	v, err := c.Register(ctx, "whole", registry.Schema{
		Text: `{"type":"array","items":"F"}`, References: []registry.Reference{{Name: "F", Subject: "part", Version: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"whole", "part"} {
		if _, err := c.DeleteSubject(ctx, subject, registry.Soft); err != nil {
			t.Fatal(err)
		}
	}
	fresh := newClient(t, []string{s.URL})
	if got, err := fresh.SchemaByID(ctx, "", v.ID); err != nil || got.Schema != v.Schema {
		t.Errorf("%s, %v", got.Schema, err)
	}
	if _, err := fresh.Version(ctx, "part", 1); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("control: the version itself is not deleted: %v", err)
	}
}

// TestReferencesToTwoVersions reads a schema that refers to version 2 of a
// part, and to another schema that still refers to version 1. Confluent's
// registry accepts the schema, and Java's client takes the version that comes
// first.
func TestReferencesToTwoVersions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ refs, size string }{
		{`{"name":"F","subject":"f","version":2},{"name":"M","subject":"m","version":1}`, `"size":2`},
		{`{"name":"M","subject":"m","version":1},{"name":"F","subject":"f","version":2}`, `"size":1`},
	} {
		c := newClient(t, []string{"http://registry.invalid"}, registry.WithTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			part := `{"version":%d,"id":%d,"schema":"{\"type\":\"fixed\",\"name\":\"F\",\"size\":%d}"}`
			switch r.URL.Path {
			case "/subjects/f/versions/1":
				return reply(r, 200, fmt.Sprintf(part, 1, 1, 1)), nil
			case "/subjects/f/versions/2":
				return reply(r, 200, fmt.Sprintf(part, 2, 2, 2)), nil
			case "/subjects/m/versions/1":
				return reply(r, 200, `{"version":1,"id":3,"schema":"{\"type\":\"record\",\"name\":\"M\",\"fields\":[{\"name\":\"f\",\"type\":\"F\"}]}","references":[{"name":"F","subject":"f","version":1}]}`), nil
			}
			return reply(r, 200, `{"schema":"{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"f\",\"type\":\"F\"},{\"name\":\"m\",\"type\":\"M\"}]}","references":[`+test.refs+`]}`), nil
		})))
		if v, err := c.SchemaByID(context.Background(), "", 4); err != nil || !strings.Contains(v.Schema, test.size) || strings.Count(v.Schema, `"size"`) != 1 {
			t.Errorf("%s: %s, %v", test.refs, v.Schema, err)
		}
	}
}

// TestReferencesClash checks that two parts that define the same name
// differently cannot form a schema.
func TestReferencesClash(t *testing.T) {
	t.Parallel()
	c := newClient(t, []string{"http://registry.invalid"}, registry.WithTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		part := `{"version":%d,"id":%d,"schema":"{\"type\":\"fixed\",\"name\":\"F\",\"size\":%d}"}`
		switch r.URL.Path {
		case "/subjects/s/versions/1":
			return reply(r, 200, fmt.Sprintf(part, 1, 1, 1)), nil
		case "/subjects/s/versions/2":
			return reply(r, 200, fmt.Sprintf(part, 2, 2, 2)), nil
		}
		return reply(r, 200, `{"schema":"{\"type\":\"array\",\"items\":\"F\"}","references":[{"name":"F","subject":"s","version":1},{"name":"G","subject":"s","version":2}]}`), nil
	})))
	if v, err := c.SchemaByID(context.Background(), "", 1); err == nil || !strings.Contains(err.Error(), "do not fit together") {
		t.Errorf("%s, %v", v.Schema, err)
	}
}
