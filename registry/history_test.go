package registry_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

func TestBetween(t *testing.T) {
	t.Parallel()
	server, err := registrytest.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	c, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	var all []registry.Version
	for i := range 5 {
		v, err := c.Register(t.Context(), "s", registry.Schema{Text: fmt.Sprintf(`{"type":"record","name":"R","fields":[{"name":"f","type":["null","string"],"doc":"%d","default":null}]}`, i)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := c.DeleteVersion(t.Context(), "s", 3, registry.Soft); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		writer registry.Version
		reader int
		want   []int
	}{
		{all[0], 5, []int{1, 2, 3, 4, 5}},
		{all[1], 4, []int{2, 3, 4}},
		{all[3], 4, []int{4}},
		{all[4], 2, []int{2, 3, 4, 5}},
		{all[2], 1, []int{1, 2, 3}}, // a message of a deleted version
		{registry.Version{GUID: all[1].GUID}, 3, []int{2, 3}},
	} {
		got, err := c.Between(t.Context(), "s", test.writer, test.reader)
		if err != nil {
			t.Fatal(err)
		}
		var numbers []int
		for _, v := range got {
			numbers = append(numbers, v.Version)
		}
		if diff := cmp.Diff(test.want, numbers); diff != "" {
			t.Errorf("from %d to %d: %s", test.writer.ID, test.reader, diff)
		}
	}
	for _, writer := range []registry.Version{{ID: 99}, {}} {
		if _, err := c.Between(t.Context(), "s", writer, 1); !errors.Is(err, registry.ErrSchemaNotFound) {
			t.Errorf("%v: %v", writer, err)
		}
	}
	if _, err := c.Between(t.Context(), "nothing", all[0], 1); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Error(err)
	}
}
