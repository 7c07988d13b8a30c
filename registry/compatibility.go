package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/internal/rest"
)

// Compatibility returns the compatibility level of a subject. If the subject
// has no level of its own, the global level counts.
func (c *Client) Compatibility(ctx context.Context, subject string) (compat.Level, error) {
	err := rest.CheckSubject(subject)
	var l compat.Level
	if err == nil {
		l, err = c.level(ctx, rest.NewWork(ctx), subject)
	}
	if err != nil {
		return 0, fmt.Errorf("registry: compatibility of %q: %w", subject, err)
	}
	return l, nil
}

// level returns the level that counts for a subject.
func (c *Client) level(ctx context.Context, w *rest.Work, subject string) (compat.Level, error) {
	return orGlobal(subject, func(subject string) (compat.Level, error) {
		return c.caller(w, rest.NothingWritten).Level(ctx, subject)
	})
}

// orGlobal asks for a setting of a subject. Some registries answer 404 for a
// subject that does not exist yet, even if the request asks for the global
// setting as a fallback. orGlobal then asks for the global setting.
func orGlobal[T any](subject string, ask func(subject string) (T, error)) (T, error) {
	found, err := ask(subject)
	if rest.IsStatus(err, http.StatusNotFound) {
		return ask("")
	}
	return found, err
}

// SetCompatibility sets the level of a subject. The subject need not exist yet.
func (c *Client) SetCompatibility(ctx context.Context, subject string, l compat.Level) error {
	err := rest.CheckSubject(subject)
	if err == nil {
		err = c.setLevel(ctx, subject, l)
	}
	if err != nil {
		return fmt.Errorf("registry: set the compatibility of %q: %w", subject, err)
	}
	return nil
}

// DeleteCompatibility removes the level of a subject, so that the global level
// counts again. A subject without a level of its own is not an error.
func (c *Client) DeleteCompatibility(ctx context.Context, subject string) error {
	err := rest.CheckSubject(subject)
	if err == nil {
		err = c.deleteLevel(ctx, subject)
	}
	if err != nil {
		return fmt.Errorf("registry: delete the compatibility of %q: %w", subject, err)
	}
	return nil
}

// GlobalCompatibility returns the level of subjects without a level of their
// own.
func (c *Client) GlobalCompatibility(ctx context.Context) (compat.Level, error) {
	l, err := c.freshCaller(ctx).Level(ctx, "")
	if err != nil {
		return 0, fmt.Errorf("registry: global compatibility: %w", err)
	}
	return l, nil
}

// SetGlobalCompatibility sets the level of subjects without a level of their
// own.
func (c *Client) SetGlobalCompatibility(ctx context.Context, l compat.Level) error {
	if err := c.setLevel(ctx, "", l); err != nil {
		return fmt.Errorf("registry: set the global compatibility: %w", err)
	}
	return nil
}

// DeleteGlobalCompatibility restores the default level of the registry.
func (c *Client) DeleteGlobalCompatibility(ctx context.Context) error {
	if err := c.deleteLevel(ctx, ""); err != nil {
		return fmt.Errorf("registry: delete the global compatibility: %w", err)
	}
	return nil
}

// configPath returns the path of a subject's configuration. An empty subject
// means the global configuration.
func configPath(subject string) string {
	if subject == "" {
		return "/config"
	}
	return "/config/" + url.PathEscape(subject)
}

func (c *Client) setLevel(ctx context.Context, subject string, l compat.Level) error {
	body := map[string]compat.Level{"compatibility": l}
	err := c.freshCaller(ctx).Call(ctx, rest.Call{Method: http.MethodPut, Path: configPath(subject), Form: rest.FormLevel}, body, nil)
	c.forgetFailures(subject)
	return err
}

func (c *Client) deleteLevel(ctx context.Context, subject string) error {
	err := c.freshCaller(ctx).Call(ctx, rest.Call{Method: http.MethodDelete, Path: configPath(subject)}, nil, nil)
	c.forgetFailures(subject)
	if rest.IsStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}
