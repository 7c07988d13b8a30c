package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/avroline/avroline/registry/internal/rest"
)

// Mode limits the writes to a subject or to the registry.
type Mode string

// The modes of Confluent's registry. Other registries store a mode without
// effect.
const (
	ReadWrite        Mode = "READWRITE"
	ReadOnly         Mode = "READONLY"
	ReadOnlyOverride Mode = "READONLY_OVERRIDE"
	Import           Mode = "IMPORT"
)

// Mode returns the mode of a subject. If the subject has no mode of its own,
// the global mode counts.
func (c *Client) Mode(ctx context.Context, subject string) (Mode, error) {
	err := rest.CheckSubject(subject)
	var m Mode
	if err == nil {
		m, err = c.mode(ctx, "/mode/"+url.PathEscape(subject))
	}
	if err != nil {
		return "", fmt.Errorf("registry: mode of %q: %w", subject, err)
	}
	return m, nil
}

// SetMode sets the mode of a subject.
func (c *Client) SetMode(ctx context.Context, subject string, m Mode) error {
	err := rest.CheckSubject(subject)
	if err == nil {
		err = c.setMode(ctx, "/mode/"+url.PathEscape(subject), m)
	}
	if err != nil {
		return fmt.Errorf("registry: set the mode of %q: %w", subject, err)
	}
	return nil
}

// DeleteMode removes the mode of a subject, so that the global mode counts
// again. A subject without a mode of its own is not an error.
func (c *Client) DeleteMode(ctx context.Context, subject string) error {
	err := rest.CheckSubject(subject)
	if err == nil {
		err = c.freshCaller(ctx).Call(ctx, rest.Call{Method: http.MethodDelete, Path: "/mode/" + url.PathEscape(subject)}, nil, nil)
	}
	if err != nil && !rest.IsStatus(err, http.StatusNotFound) {
		return fmt.Errorf("registry: delete the mode of %q: %w", subject, err)
	}
	return nil
}

// GlobalMode returns the mode of subjects without a mode of their own.
func (c *Client) GlobalMode(ctx context.Context) (Mode, error) {
	m, err := c.mode(ctx, "/mode")
	if err != nil {
		return "", fmt.Errorf("registry: global mode: %w", err)
	}
	return m, nil
}

// SetGlobalMode sets the mode of subjects without a mode of their own.
func (c *Client) SetGlobalMode(ctx context.Context, m Mode) error {
	if err := c.setMode(ctx, "/mode", m); err != nil {
		return fmt.Errorf("registry: set the global mode: %w", err)
	}
	return nil
}

func (c *Client) mode(ctx context.Context, path string) (Mode, error) {
	var body struct {
		Mode Mode `json:"mode"`
	}
	err := c.freshCaller(ctx).Call(ctx, rest.Call{Method: http.MethodGet, Path: path, Query: "defaultToGlobal=true", Form: rest.FormMode}, nil, &body)
	return body.Mode, err
}

func (c *Client) setMode(ctx context.Context, path string, m Mode) error {
	return c.freshCaller(ctx).Call(ctx, rest.Call{Method: http.MethodPut, Path: path, Form: rest.FormMode}, map[string]Mode{"mode": m}, nil)
}
