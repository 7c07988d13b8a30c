package registry_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// TestLatestVersions lists more versions than a page holds (1,000). Some
// dialects have no pages.
func TestLatestVersions(t *testing.T) {
	t.Parallel()
	for _, dialect := range registrytest.Dialects() {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			server := registrytest.Start(t, registrytest.WithDialect(dialect))
			c := newClient(t, []string{server.URL})
			const older, newer = `{"type":"record","name":"R","fields":[]}`, `{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1}]}`
			var want []registry.Version
			for i := range 1100 {
				subject := fmt.Sprintf("s-%04d", i)
				if err := server.Seed(subject, older, newer); err != nil {
					t.Fatal(err)
				}
				want = append(want, registry.Version{Subject: subject, Version: 2, ID: 2, Registered: newer})
			}
			got, err := c.LatestVersions(t.Context())
			if dialect == registrytest.Redpanda || dialect == registrytest.Apicurio {
				if !errors.Is(err, registry.ErrUnsupported) {
					t.Fatalf("%v, want ErrUnsupported", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(registry.Version{}, "GUID")); diff != "" {
				t.Error(diff)
			}
			if n := server.Requests(); n > 3 {
				t.Errorf("%d requests for 1,100 subjects", n)
			}
		})
	}
}

func TestLatestVersionsOfAnEmptyRegistry(t *testing.T) {
	t.Parallel()
	server := registrytest.Start(t)
	got, err := newClient(t, []string{server.URL}).LatestVersions(t.Context())
	if err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}
