package registry_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
)

// FuzzAnswer checks that for any answer of a server, no call panics. No call
// returns a schema that the answer does not hold.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		"", "null", "{}", "[]", "0", `""`, `{"schema":null}`, `{"id":1,"schema":"\"string\"","version":1}`, `{"id":1,"schema":"nonsense"}`,
		`{"id":1,"schema":"{}","references":[{"name":"R","subject":"s","version":1}],"version":1}`, `{"id":null,"version":null}`,
		`{"schemaType":"PROTOBUF","schema":"x","id":1}`, `{"compatibilityLevel":"BACKWARD"}`, `{"compatibilityLevel":null}`, `{"is_compatible":false,"messages":["{errorType:'X', additionalInfo:''}"]}`,
		`[null]`, `["a"]`, `[1,2]`, `[-1]`, `[{"subject":null}]`, `{"mode":1}`, `{"error_code":40901,"message":"{errorType:'A', description:'at path '/'', additionalInfo:'b'}"}`,
		`{"error_code":40403}`, `<html>`, `{"id":1e99}`, `{"guid":"x","schema":"\"int\"","id":1}`,
	} {
		for _, status := range []int{200, 204, 301, 404, 409, 422, 500} {
			f.Add(status, body)
		}
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		ctx := context.Background()
		c := newClient(t, []string{"http://registry.invalid"}, registry.WithRetries(0, 0, 0), registry.WithTransport(
			roundTrip(func(r *http.Request) (*http.Response, error) { return reply(r, status, body), nil })))
		defer c.Close()
		if v, err := c.SchemaByID(ctx, ":.c:s", 1); err == nil && v.Schema == "" {
			t.Error("an empty schema")
		}
		if v, err := c.SchemaByGUID(ctx, uuid.UUID{1}); err == nil && v.Schema == "" {
			t.Error("an empty schema")
		}
		if v, err := c.Register(ctx, "s", registry.Schema{Text: orderV1}); err == nil && (status/100 != 2 || v.ID < 0) {
			t.Errorf("registered as %d", v.ID)
		}
		if _, err := c.Lookup(ctx, "s", registry.Schema{Text: orderV1, Normalize: true}); err == nil && status/100 != 2 {
			t.Error("found")
		}
		if v, err := c.Latest(ctx, "s"); err == nil && v.Schema == "" {
			t.Error("an empty schema")
		}
		refs := []registry.Reference{{Name: "R", Subject: "s", Version: 1}}
		_, _ = c.Register(ctx, "s", registry.Schema{Text: orderV1, References: refs, Metadata: new(registry.Metadata)})
		_, _ = c.Lookup(ctx, "s", registry.Schema{Text: orderV1, References: refs})
		_, _ = c.TestCompatibility(ctx, "s", registry.Schema{Text: orderV1, References: refs})
		_, _ = c.LatestWithMetadata(ctx, "s", map[string]string{"a": "b"})
		_, _ = c.Version(ctx, "s", 1)
		_, _ = c.Version(ctx, "s", 2)
		_, _ = c.Versions(ctx, "s")
		_, _ = c.Subjects(ctx)
		_, _ = c.VersionsOf(ctx, 1)
		_, _ = c.ReferencedBy(ctx, "s", 1)
		_, _ = c.Contexts(ctx)
		if l, err := c.Compatibility(ctx, "s"); err == nil && (l < compat.Backward || l > compat.None) {
			t.Errorf("level %v", l)
		}
		_, _ = c.GlobalCompatibility(ctx)
		_ = c.SetCompatibility(ctx, "s", compat.Full)
		_ = c.DeleteCompatibility(ctx, "s")
		_, _ = c.Mode(ctx, "s")
		_, _ = c.DeleteSubject(ctx, "s", registry.Soft)
		_ = c.DeleteVersion(ctx, "s", 1, registry.Permanent)
	})
}

// FuzzNew checks that New accepts any text as a URL without a panic.
func FuzzNew(f *testing.F) {
	for _, u := range []string{"http://a", "", "a", "http://u:p@h:1/x/", "http://%zz", "://", "https://[::1]:8081", "http://a?b", "http://a#b", "http:///x", "HTTP://A"} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, u string) {
		c, err := registry.New([]string{u})
		if err == nil {
			_ = c.Close()
		}
	})
}
