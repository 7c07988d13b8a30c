package registry_test

import (
	"errors"
	"testing"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/registrytest"
)

// TestCompatibilityGroup checks that a version is checked against the versions
// of its group only.
func TestCompatibilityGroup(t *testing.T) {
	t.Parallel()
	server := registrytest.Start(t)
	c, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	register := func(text, major string) error {
		_, err := c.Register(t.Context(), "sizes-value", registry.Schema{Text: text, Metadata: &registry.Metadata{Properties: map[string]string{"major": major}}})
		return err
	}
	const (
		one      = `{"type":"record","name":"S","fields":[{"name":"size","type":"long"}]}`
		two      = `{"type":"record","name":"S","fields":[{"name":"height","type":"long"}]}`
		oneAgain = `{"type":"record","name":"S","fields":[{"name":"size","type":"long"},{"name":"unit","type":"string","default":"m"}]}`
		twoWrong = `{"type":"record","name":"S","fields":[{"name":"width","type":"long"}]}`
	)
	if got, err := c.CompatibilityGroup(t.Context(), "sizes-value"); got != "" || err != nil {
		t.Errorf("a new subject: %q, %v", got, err)
	}
	if err := register(one, "1"); err != nil {
		t.Fatal(err)
	}
	var incompatible *registry.IncompatibleError
	if err := register(two, "2"); !errors.As(err, &incompatible) {
		t.Errorf("control without groups: %v", err)
	}
	if err := c.SetCompatibilityGroup(t.Context(), "sizes-value", "major", compat.Full); err != nil {
		t.Fatal(err)
	}
	if got, err := c.CompatibilityGroup(t.Context(), "sizes-value"); got != "major" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := c.Compatibility(t.Context(), "sizes-value"); got != compat.Full || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, v := range []struct{ text, major string }{{two, "2"}, {oneAgain, "1"}} {
		if err := register(v.text, v.major); err != nil {
			t.Errorf("%s: %v", v.text, err)
		}
	}
	if err := register(twoWrong, "2"); !errors.As(err, &incompatible) {
		t.Errorf("incompatible within its group: %v", err)
	}
	for _, test := range []struct {
		text     string
		metadata *registry.Metadata
		accepted bool
	}{
		{twoWrong, &registry.Metadata{Properties: map[string]string{"major": "2"}}, false},
		{twoWrong, &registry.Metadata{Properties: map[string]string{"major": "3"}}, true},
		{one, &registry.Metadata{Properties: map[string]string{"major": "1"}}, true},
		{one, nil, false}, // has the metadata of the latest version, which is of group 3
		{twoWrong, nil, true},
	} {
		found, err := c.TestCompatibility(t.Context(), "sizes-value", registry.Schema{Text: test.text, Metadata: test.metadata})
		if err != nil || test.accepted != (len(found) == 0) {
			t.Errorf("TestCompatibility of %s, %v: %v, %v", test.text, test.metadata, found, err)
		}
		_, err = c.Register(t.Context(), "sizes-value", registry.Schema{Text: test.text, Metadata: test.metadata})
		if test.accepted == errors.As(err, &incompatible) {
			t.Errorf("control: Register of %s, %v: %v", test.text, test.metadata, err)
		}
	}
	if err := c.SetCompatibility(t.Context(), "sizes-value", compat.Backward); err != nil {
		t.Fatal(err)
	}
	if got, err := c.CompatibilityGroup(t.Context(), "sizes-value"); got != "major" || err != nil {
		t.Errorf("after another level: %q, %v", got, err)
	}
	if err := c.SetCompatibilityGroup(t.Context(), "sizes-value", "", compat.Backward); err != nil {
		t.Fatal(err)
	}
	if got, err := c.CompatibilityGroup(t.Context(), "sizes-value"); got != "" || err != nil {
		t.Errorf("removed: %q, %v", got, err)
	}
	for _, err := range []error{
		c.SetCompatibilityGroup(t.Context(), "", "major", compat.Full),
		c.SetCompatibilityGroup(t.Context(), "s", "major", 0),
	} {
		if err == nil {
			t.Error("a wrong argument was taken")
		}
	}
	karapace := registrytest.Start(t, registrytest.WithDialect(registrytest.Karapace))
	other, err := registry.New([]string{karapace.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	if err := other.SetCompatibilityGroup(t.Context(), "s", "major", compat.Full); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("a registry without groups: %v", err)
	}
}
