package registry_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

func TestFindVersion(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := registrytest.Start(t)
	decimal := func(scale int, doc string) string {
		return fmt.Sprintf(`{"type":"record","name":"R","fields":[{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":%d},"doc":%q}]}`, scale, doc)
	}
	if err := s.Seed("s", decimal(2, "a"), decimal(4, "b"), decimal(2, "c"), `"string"`); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, []string{s.URL})
	for _, test := range []struct {
		schema string
		want   int // the version, or 0 if there is none
	}{
		{decimal(2, "another doc"), 3}, // the newer of two
		{decimal(4, ""), 2},
		{decimal(3, ""), 0}, // all three have the same canonical form
		{`"string"`, 4},
		{`"bytes"`, 0},
	} {
		v, err := c.FindVersion(ctx, "s", test.schema)
		if test.want == 0 && !errors.Is(err, registry.ErrSchemaNotFound) || test.want > 0 && (err != nil || v.Version != test.want) {
			t.Errorf("%s: %+v, %v; want version %d", test.schema, v, err, test.want)
		}
	}
	if _, err := c.FindVersion(ctx, "nobody", `"string"`); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("no subject: %v", err)
	}
	// After a write of our own, the client must not believe the earlier answer
	// that the schema is absent.
	if _, err := c.Register(ctx, "nobody", registry.Schema{Text: `"string"`}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.FindVersion(ctx, "nobody", `"string"`); err != nil {
		t.Errorf("after our own Register: %v", err)
	}
	// A part that cannot be read does not prove that the schema is absent.
	s.Inject(registrytest.Status(500), registrytest.OnSubject("t"), registrytest.OnPath("/versions/2"))
	if err := s.Seed("t", `"int"`, `"long"`, `"float"`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.FindVersion(ctx, "t", `"int"`); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("version 2 of 3 cannot be read: %v", err)
	}
	if v, err := c.FindVersion(ctx, "t", `"float"`); err != nil || v.Version != 3 {
		t.Errorf("the newest, before the one that cannot be read: %+v, %v", v, err)
	}
}

// TestFindVersionAmongMany checks that a subject with 300 versions is searched
// in parallel, and only once.
func TestFindVersionAmongMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			defer now.Add(-1)
			time.Sleep(10 * time.Millisecond)
			if r.URL.Path == "/schemas" { // no list of versions
				return reply(r, 404, `{"error_code":404,"message":"HTTP 404 Not Found"}`), nil
			}
			if strings.HasSuffix(r.URL.Path, "/versions") {
				list := make([]string, 300)
				for i := range list {
					list[i] = fmt.Sprint(i + 1)
				}
				return reply(r, 200, "["+strings.Join(list, ",")+"]"), nil
			}
			var v int
			_, _ = fmt.Sscanf(r.URL.Path, "/subjects/s/versions/%d", &v)
			return reply(r, 200, fmt.Sprintf(`{"subject":"s","version":%d,"id":%d,"schema":"{\"type\":\"fixed\",\"name\":\"F\",\"size\":%d}"}`, v, v, v)), nil
		}}
		c := f.client(t)
		start := time.Now()
		v, err := c.FindVersion(t.Context(), "s", `{"type":"fixed","name":"F","size":1}`)
		if err != nil || v.Version != 1 {
			t.Fatalf("%+v, %v", v, err)
		}
		if f.count() != 302 || most.Load() > 16 {
			t.Errorf("%d calls, %d at one time", f.count(), most.Load())
		}
		if took := time.Since(start); took > 250*time.Millisecond { // 20 turns of 10 ms; a sequential search would take 3 s
			t.Errorf("the search took %v", took)
		}
		if _, err := c.FindVersion(t.Context(), "s", `{"type":"fixed","name":"F","size":999}`); !errors.Is(err, registry.ErrSchemaNotFound) {
			t.Error(err)
		}
		if f.count() != 303 {
			t.Errorf("%d calls: versions that were read before were read again", f.count())
		}
	})
}

// TestFindVersionByList checks that a few requests are enough if the registry
// lists the versions of a subject. Other subjects with the same prefix must
// have no effect.
func TestFindVersionByList(t *testing.T) {
	t.Parallel()
	for _, dialect := range registrytest.Dialects() {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			server := registrytest.Start(t, registrytest.WithDialect(dialect))
			var versions []string
			for i := range 300 {
				versions = append(versions, fmt.Sprintf(`{"type":"fixed","name":"F","size":%d}`, i+1))
			}
			for _, subject := range []string{"s", "s-2", "r"} {
				if err := server.Seed(subject, versions...); err != nil {
					t.Fatal(err)
				}
			}
			c := newClient(t, []string{server.URL})
			for i, want := range []int{7, 299} {
				v, err := c.FindVersion(t.Context(), "s", fmt.Sprintf(`{"type":"fixed","name":"F","size":%d,"doc":"x"}`, want))
				if err != nil || v.Subject != "s" || v.Version != want || v.ID == 0 {
					t.Fatalf("%+v, %v; want version %d", v, err, want)
				}
				limit := 2 + i
				if dialect == registrytest.Redpanda || dialect == registrytest.Apicurio {
					limit = 310
				}
				if n := server.Requests(); n > limit {
					t.Errorf("%d requests, want at most %d", n, limit)
				}
			}
		})
	}
}
