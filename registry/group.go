package registry

import (
	"context"
	"fmt"
	"net/http"

	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/internal/rest"
)

// groupConfig is the part of a subject's configuration that names the property
// of its compatibility groups.
type groupConfig struct {
	Group string `json:"compatibilityGroup,omitempty"`
}

// CompatibilityGroup returns the metadata property that divides the versions of
// a subject into compatibility groups, such as "major". A new version is
// checked against versions only whose property has the same value. Migration
// rules connect the groups. The result is "" if there are no groups. Only
// Confluent's registry has groups.
func (c *Client) CompatibilityGroup(ctx context.Context, subject string) (string, error) {
	var config groupConfig
	err := rest.CheckSubject(subject)
	if err == nil {
		config, err = orGlobal(subject, func(subject string) (config groupConfig, err error) {
			call := rest.Call{Method: http.MethodGet, Path: configPath(subject)}
			if subject != "" {
				call.Query = "defaultToGlobal=true"
			}
			err = c.freshCaller(ctx).Call(ctx, call, nil, &config)
			return config, err
		})
	}
	if err != nil {
		return "", fmt.Errorf("registry: compatibility group of %q: %w", subject, err)
	}
	return config.Group, nil
}

// SetCompatibilityGroup sets the metadata property of
// [Client.CompatibilityGroup], and the level that counts within a group. An
// empty property removes the groups.
func (c *Client) SetCompatibilityGroup(ctx context.Context, subject, property string, l compat.Level) error {
	body := struct {
		Level compat.Level `json:"compatibility"`
		Group *string      `json:"compatibilityGroup"` // null removes the groups
	}{Level: l}
	if property != "" {
		body.Group = &property
	}
	err := rest.CheckSubject(subject)
	if err == nil {
		err = c.freshCaller(ctx).Call(ctx, rest.Call{Method: http.MethodPut, Path: configPath(subject), Form: rest.FormLevel}, body, nil)
		c.forgetFailures(subject)
	}
	if err != nil {
		return fmt.Errorf("registry: set the compatibility group of %q: %w", subject, err)
	}
	if got, err := c.CompatibilityGroup(ctx, subject); err == nil && got != property {
		return fmt.Errorf("registry: set the compatibility group of %q: the registry does not keep groups: %w", subject, ErrUnsupported)
	}
	return nil
}
