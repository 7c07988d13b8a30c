package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry/internal/cache"
	"github.com/avroline/avroline/registry/internal/rest"
)

// SchemaByID returns the schema with an id. Each context has ids of its own, so
// the subject names the context (":.context:name"). For the default context the
// subject may be empty. The client caches the answers. An unknown id
// ([ErrSchemaNotFound]) causes at most a call per second. The same limit holds
// for an id for which the registry only returns an error of its own.
func (c *Client) SchemaByID(ctx context.Context, subject string, id int) (Version, error) {
	if !c.hooks.answers {
		return c.askByID(ctx, subject, id)
	}
	return c.hooks.answer(ctx, Answered{Operation: "schema_by_id", Subject: subject, ID: id}, func(ctx context.Context) (Version, error) { return c.askByID(ctx, subject, id) })
}

func (c *Client) askByID(ctx context.Context, subject string, id int) (Version, error) {
	v, err := c.schemaByID(ctx, nil, subject, id)
	if err != nil {
		return Version{}, fmt.Errorf("registry: schema %d: %w", id, err)
	}
	return v, nil
}

// schemaByID is SchemaByID for a caller. If outer is not nil, schemaByID is a
// part of the outer work.
func (c *Client) schemaByID(ctx context.Context, outer *rest.Work, subject string, id int) (Version, error) {
	if id < 0 || id > rest.MaxID { // no message can carry such an id
		return Version{}, ErrSchemaNotFound
	}
	key := idKey{rest.ContextOf(subject), id}
	return c.ids.Get(ctx, outer, key, func(ctx context.Context, w *rest.Work) (Version, error) {
		return fromDiskOrLoad(c, w, key.fact(), func() (Version, error) {
			a, err := c.caller(w, c.writes.knownOfID(key)).SchemaByID(ctx, subject, id)
			if err != nil {
				return Version{}, err
			}
			v, err := c.asSchema(ctx, w, subject, a)
			v.ID = id
			return v, err
		})
	})
}

// SchemaByGUID returns the schema with a GUID, as [Client.SchemaByID] does for
// an id. A GUID is valid in every context. Only Confluent's registry knows
// GUIDs.
func (c *Client) SchemaByGUID(ctx context.Context, guid uuid.UUID) (Version, error) {
	if !c.hooks.answers {
		return c.askByGUID(ctx, guid)
	}
	return c.hooks.answer(ctx, Answered{Operation: "schema_by_guid"}, func(ctx context.Context) (Version, error) { return c.askByGUID(ctx, guid) })
}

func (c *Client) askByGUID(ctx context.Context, guid uuid.UUID) (Version, error) {
	v, err := c.guids.Get(ctx, nil, guid, func(ctx context.Context, w *rest.Work) (Version, error) {
		return fromDiskOrLoad(c, w, cache.Fact{Kind: "guid", Name: guid.String()}, func() (Version, error) {
			a, err := c.caller(w, rest.NothingWritten).SchemaByGUID(ctx, guid)
			if err != nil {
				return Version{}, err
			}
			v, err := c.asSchema(ctx, w, a.Subject, a)
			v.GUID = guid
			return v, err
		})
	})
	if err != nil {
		return Version{}, fmt.Errorf("registry: schema %s: %w", guid, err)
	}
	return v, nil
}

// Version returns a version of a subject. Versions count from 1, and another
// number is an error. Versions never change, so a second call is answered from
// memory. If there is no such version, the error is [ErrSubjectNotFound] or
// [ErrVersionNotFound].
func (c *Client) Version(ctx context.Context, subject string, version int) (Version, error) {
	if !c.hooks.answers {
		return c.askVersion(ctx, subject, version)
	}
	return c.hooks.answer(ctx, Answered{Operation: "version", Subject: subject}, func(ctx context.Context) (Version, error) { return c.askVersion(ctx, subject, version) })
}

func (c *Client) askVersion(ctx context.Context, subject string, version int) (Version, error) {
	w := rest.NewWork(ctx)
	a, err := c.part(ctx, w, partKey{subject, version})
	var v Version
	if err == nil {
		v, err = c.asVersion(ctx, w, subject, a)
	}
	if err != nil {
		return Version{}, fmt.Errorf("registry: version %d of %q: %w", version, subject, err)
	}
	return v, nil
}

// asVersion reads an answer about a version.
func (c *Client) asVersion(ctx context.Context, w *rest.Work, subject string, a *rest.Answer) (Version, error) {
	id, err := a.SchemaID()
	if err != nil {
		return Version{}, err
	}
	if err := c.caller(w, rest.NothingWritten).CheckContext(subject, a, ErrSubjectNotFound); err != nil {
		c.parts.Known.Remove(partKey{subject, a.Version}) // this context may get the version later
		return Version{}, err
	}
	v, err := c.asSchema(ctx, w, subject, a)
	v.Subject, v.Version, v.ID = subject, a.Version, id
	return v, err
}

// asSchema reads an answer about a schema. An answer without rules means that
// the schema has no rules.
func (c *Client) asSchema(ctx context.Context, w *rest.Work, subject string, a *rest.Answer) (Version, error) {
	if a.Schema == "" {
		return Version{}, rest.UnexpectedForm(errors.New("no schema"))
	}
	whole, err := c.resolved(ctx, w, subject, a.Schema, a.References)
	if err != nil {
		return Version{}, err
	}
	return Version{
		GUID: a.SchemaGUID(), Schema: whole, Registered: a.Schema,
		References: a.References, Metadata: a.Metadata, RuleSet: cmp.Or(a.RuleSet, new(RuleSet)),
	}, nil
}
