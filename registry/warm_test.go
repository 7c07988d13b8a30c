package registry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/registry"
)

func TestSuiteWarm(t *testing.T) { eachRegistry(t, suiteWarm) }

func suiteWarm(t *testing.T, s suite) {
	ctx := context.Background()
	if _, err := s.Register(ctx, s.prefix+"known", registry.Schema{Text: s.text("K")}); err != nil {
		t.Fatal(err)
	}
	c := s.another(t)
	err := c.Warm(ctx,
		registry.NeedRegistered(s.prefix+"new", s.text("W")), registry.NeedLookup(s.prefix+"known", s.text("K")),
		registry.NeedLatest(s.prefix+"known"))
	if err != nil {
		t.Fatal(err)
	}
	err = c.Warm(ctx, registry.NeedRegistered(s.prefix+"new", "nonsense"), registry.NeedLookup(s.prefix+"none", s.text("K")),
		registry.NeedLatest(s.prefix+"none"), registry.NeedID(1<<30), registry.NeedRegistered(s.prefix+"new", s.text("W")))
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("four problems at once: %v", err)
	}
	dead := newClient(t, []string{deadURL(t)})
	needs := make([]registry.Need, 100)
	for i := range needs {
		needs[i] = registry.NeedID(i)
	}
	short, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := dead.Warm(short, registry.Need{}); err != nil {
		t.Errorf("a zero Need: %v", err)
	}
	if err := dead.Warm(short, needs...); !errors.Is(err, registry.ErrUnavailable) || strings.Count(err.Error(), "\n") != 99 {
		t.Errorf("without a registry: %v", err)
	}
}
