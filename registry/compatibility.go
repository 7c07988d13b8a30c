package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/avroline/avroline/registry/compat"
)

// Compatibility returns the level that counts for a subject, which is
// its own level or the global one.
func (c *Client) Compatibility(ctx context.Context, subject string) (compat.Level, error) {
	err := checkSubject(subject)
	var l compat.Level
	if err == nil {
		l, err = c.level(ctx, newWork(ctx), subject)
	}
	if err != nil {
		return 0, fmt.Errorf("registry: compatibility of %q: %w", subject, err)
	}
	return l, nil
}

// level asks for the level that counts. Some registries answer 404 for a
// subject that is not there yet, although the global level was asked for in its
// place.
func (c *Client) level(ctx context.Context, w *work, subject string) (compat.Level, error) {
	l, err := c.caller(w, nothingWritten).level(ctx, subject)
	if isStatus(err, http.StatusNotFound) {
		return c.caller(w, nothingWritten).level(ctx, "")
	}
	return l, err
}

// SetCompatibility sets the level of a subject, which need not exist yet.
func (c *Client) SetCompatibility(ctx context.Context, subject string, l compat.Level) error {
	err := checkSubject(subject)
	if err == nil {
		err = c.setLevel(ctx, "/config/"+url.PathEscape(subject), subject, l)
	}
	if err != nil {
		return fmt.Errorf("registry: set the compatibility of %q: %w", subject, err)
	}
	return nil
}

// DeleteCompatibility takes a subject's own level away, so that the global one
// counts. There being none is no error.
func (c *Client) DeleteCompatibility(ctx context.Context, subject string) error {
	err := checkSubject(subject)
	if err == nil {
		err = c.deleteLevel(ctx, "/config/"+url.PathEscape(subject), subject)
	}
	if err != nil {
		return fmt.Errorf("registry: delete the compatibility of %q: %w", subject, err)
	}
	return nil
}

// GlobalCompatibility returns the level of subjects without their own.
func (c *Client) GlobalCompatibility(ctx context.Context) (compat.Level, error) {
	l, err := c.fromRegistry(ctx).level(ctx, "")
	if err != nil {
		return 0, fmt.Errorf("registry: global compatibility: %w", err)
	}
	return l, nil
}

// SetGlobalCompatibility sets the level of subjects without their own.
func (c *Client) SetGlobalCompatibility(ctx context.Context, l compat.Level) error {
	if err := c.setLevel(ctx, "/config", "", l); err != nil {
		return fmt.Errorf("registry: set the global compatibility: %w", err)
	}
	return nil
}

// DeleteGlobalCompatibility returns to the registry's own default.
func (c *Client) DeleteGlobalCompatibility(ctx context.Context) error {
	if err := c.deleteLevel(ctx, "/config", ""); err != nil {
		return fmt.Errorf("registry: delete the global compatibility: %w", err)
	}
	return nil
}

func (c *Client) setLevel(ctx context.Context, path, subject string, l compat.Level) error {
	body := map[string]compat.Level{"compatibility": l}
	err := c.fromRegistry(ctx).call(ctx, request{method: http.MethodPut, path: path, form: formLevel}, body, nil)
	c.allow(subject)
	return err
}

func (c *Client) deleteLevel(ctx context.Context, path, subject string) error {
	err := c.fromRegistry(ctx).call(ctx, request{method: http.MethodDelete, path: path}, nil, nil)
	c.allow(subject)
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}
