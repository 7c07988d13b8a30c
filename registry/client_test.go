package registry_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

const (
	orderV1 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"}]}`
	orderV2 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"note","type":"string","default":""}]}`
	orderV3 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"must","type":"string"}]}`
)

// newClient makes a client that retries at once.
func newClient(t testing.TB, urls []string, opts ...registry.Option) *registry.Client {
	t.Helper()
	opts = append([]registry.Option{registry.WithRetries(3, 0, 0), registry.WithTimeout(10 * time.Second)}, opts...)
	c, err := registry.New(urls, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRegisterAndRead(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := registrytest.Start(t)
	c := newClient(t, []string{s.URL + "/"})
	for _, subject := range []string{"orders-value", "a/b c", "Zürich ?&%#", ":.ctx:orders"} {
		made, err := c.Register(ctx, subject, registry.Schema{Text: orderV1})
		if err != nil {
			t.Fatal(err)
		}
		if made.GUID == uuid.Nil || made.Version != 1 || made.Schema != orderV1 || made.Subject != subject {
			t.Errorf("Register = %+v", made)
		}
		found, err := c.Lookup(ctx, subject, registry.Schema{Text: orderV1})
		if err != nil || found.ID != made.ID || found.GUID != made.GUID {
			t.Errorf("Lookup = %+v, %v; want %+v", found, err, made)
		}
		v, err := c.SchemaByID(ctx, subject, made.ID)
		if err != nil || v.Schema != orderV1 {
			t.Errorf("SchemaByID = %+v, %v", v, err)
		}
		v, err = c.SchemaByGUID(ctx, made.GUID)
		if err != nil || v.Schema != orderV1 {
			t.Errorf("SchemaByGUID = %+v, %v", v, err)
		}
		v, err = c.Latest(ctx, subject)
		if err != nil || v.Schema != orderV1 || v.ID != made.ID {
			t.Errorf("Latest = %+v, %v", v, err)
		}
		if _, err := c.Register(ctx, subject, registry.Schema{Text: orderV2}); err != nil {
			t.Fatal(err)
		}
		if v, err = c.Latest(ctx, subject); err != nil || v.Schema != orderV2 {
			t.Errorf("Latest after our own Register = %+v, %v", v, err)
		}
		versions, err := c.Versions(ctx, subject)
		if err != nil || fmt.Sprint(versions) != "[1 2]" {
			t.Errorf("Versions = %v, %v", versions, err)
		}
		v, err = c.Version(ctx, subject, 1)
		if err != nil || v.ID != made.ID || v.Schema != orderV1 || v.Version != 1 || v.Subject != subject {
			t.Errorf("Version = %+v, %v", v, err)
		}
	}
	if _, err := c.SchemaByID(ctx, "", 99); !errors.Is(err, registry.ErrSchemaNotFound) {
		t.Errorf("unknown id: %v", err)
	}
	if _, err := c.Lookup(ctx, "nobody", registry.Schema{Text: orderV1}); !errors.Is(err, registry.ErrSubjectNotFound) {
		t.Errorf("unknown subject: %v", err)
	}
}

func TestColdIDIsOneRequest(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	if err := s.Seed("orders", orderV1); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, []string{s.URL})
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := c.SchemaByID(context.Background(), "", 1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.Requests(); n != 1 {
		t.Errorf("%d requests for one id, want 1: %v", n, s.Log())
	}
}

func TestIncompatible(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := registrytest.Start(t)
	if err := s.Seed("orders", orderV1, orderV2); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, []string{s.URL})
	_, err := c.Register(ctx, "orders", registry.Schema{Text: orderV3})
	var incompatible *registry.IncompatibleError
	if !errors.As(err, &incompatible) {
		t.Fatalf("Register: %v", err)
	}
	t.Log(err)
	if len(incompatible.Findings) != 1 || incompatible.Subject != "orders" || incompatible.Err.Status != 409 {
		t.Errorf("%+v", incompatible)
	}
	f := incompatible.Findings[0]
	if f.Type != "READER_FIELD_MISSING_DEFAULT_VALUE" || f.Path != "/fields/1" || f.Advice == "" ||
		f.Against != 1 || f.Who != "consumers on the new schema reading what version 2 wrote" {
		t.Errorf("finding %+v", f)
	}
	found, err := c.TestCompatibility(ctx, "orders", registry.Schema{Text: orderV3})
	if err != nil || len(found) != 1 || found[0].Path != "/fields/1" {
		t.Errorf("TestCompatibility = %+v, %v", found, err)
	}
	found, err = c.TestCompatibility(ctx, "orders", registry.Schema{Text: orderV2})
	if err != nil || len(found) != 0 {
		t.Errorf("TestCompatibility of a compatible one = %+v, %v", found, err)
	}
}
