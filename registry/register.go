package registry

import (
	"cmp"
	"context"
	"fmt"

	"github.com/avroline/avroline/registry/internal/cache"
	"github.com/avroline/avroline/registry/internal/rest"
)

// Register stores a schema under a subject and returns the registry's version.
// If the schema is there already, Register only returns the version. The schema
// is registered exactly as the text is written. [Version].Version is 0 if the
// registry does not return the number; [Client.Lookup] then finds the number. A
// reference to version 0 becomes a reference to the latest version of its
// subject.
//
// The client caches the result, so a second call costs nothing. If the registry
// answers with the id alone, the first call also reads the schema of the id. If
// the id belongs to another schema, Register returns an error.
//
// Concurrent calls for the same schema share a single call to the registry. A
// caller whose context ends does not end the call for the others.
//
// The error is an [*IncompatibleError] if the subject's compatibility level
// forbids the schema. The error is an [*Error] if the registry refuses the
// schema for another reason, such as 422 for a text that is not a schema. The
// error is [ErrUnsupported] if the registry has stored the schema without its
// rules or without the tags of its metadata. The error is an
// [*UnavailableError] if no registry answered.
func (c *Client) Register(ctx context.Context, subject string, s Schema) (Version, error) {
	if !c.hooks.answers {
		return c.identify(ctx, "register", c.registered, subject, s, c.register)
	}
	return c.hooks.answer(ctx, Answered{Operation: "register", Subject: subject}, func(ctx context.Context) (Version, error) {
		return c.identify(ctx, "register", c.registered, subject, s, c.register)
	})
}

// Lookup returns the version of a subject that is exactly this schema, with the
// same references in the same order. Lookup registers nothing. The client
// caches the result as [Client.Register] does. If there is no such version, the
// error is [ErrSubjectNotFound] or [ErrSchemaNotFound]. The client caches the
// error for a second.
func (c *Client) Lookup(ctx context.Context, subject string, s Schema) (Version, error) {
	if !c.hooks.answers {
		return c.identify(ctx, "look up", c.lookups, subject, s, c.lookup)
	}
	return c.hooks.answer(ctx, Answered{Operation: "lookup", Subject: subject}, func(ctx context.Context) (Version, error) {
		return c.identify(ctx, "look up", c.lookups, subject, s, c.lookup)
	})
}

// identify answers from memory or from the registry. If the registry does not
// answer in time, identify answers from the disk.
func (c *Client) identify(ctx context.Context, verb string, memo *cache.Memo[schemaKey, Version], subject string, s Schema,
	load func(context.Context, *rest.Work, schemaKey, Schema) (Version, error),
) (Version, error) {
	fail := func(err error) (Version, error) {
		return Version{}, fmt.Errorf("registry: %s a schema of %q: %w", verb, subject, err)
	}
	s, err := c.pinReferences(ctx, subject, s)
	if err != nil {
		return fail(err)
	}
	key := newSchemaKey(subject, s)
	if known, ok := c.registered.Known.Get(key); ok && (known.Version != 0 || memo == c.registered) {
		return known, nil
	}
	if known, ok := c.lookups.Known.Get(key); ok {
		return known, nil
	}
	if err := rest.CheckSubject(subject); err != nil {
		return fail(err)
	}
	v, err := askOrFromDisk(ctx, c, key.fact(), func(ctx context.Context) (Version, error) {
		return memo.Get(ctx, nil, key, func(ctx context.Context, w *rest.Work) (Version, error) {
			v, err := load(ctx, w, key, s)
			if err == nil {
				c.disk.Save(key.fact(), v)
			}
			return v, err
		})
	})
	if err != nil {
		return fail(err)
	}
	memo.Known.Add(key, v)
	return v, nil
}

func (c *Client) register(ctx context.Context, w *rest.Work, key schemaKey, s Schema) (Version, error) {
	a, err := c.caller(w, rest.NothingWritten).Register(ctx, key.subject, s)
	if err != nil {
		return Version{}, c.explain(ctx, w, key.subject, s, err)
	}
	c.forgetAnswers(key.subject)
	c.writes.noteVersion(key.subject, a.Version)
	return c.confirm(ctx, w, key.subject, s, a)
}

func (c *Client) lookup(ctx context.Context, w *rest.Work, key schemaKey, s Schema) (Version, error) {
	// A schema that this client registered exists. Register returned its id,
	// and Lookup is to find its version.
	known := c.writes.knownOfVersion(key.subject, 0)
	if !c.registered.Known.Contains(key) {
		known = min(known, rest.SubjectWritten)
	}
	a, err := c.caller(w, known).Lookup(ctx, key.subject, s)
	if err != nil {
		return Version{}, err
	}
	if known == rest.AllWritten && a.Version != 0 { // Register got no version number
		c.writes.noteVersion(key.subject, a.Version)
	}
	return c.confirm(ctx, w, key.subject, s, a)
}

// confirm checks that the id of an answer belongs to the schema. A wrong id
// before our bytes would silently corrupt the data for every reader. If the
// answer holds the schema beside the id, confirm believes the answer. Otherwise
// confirm reads the schema of the id.
func (c *Client) confirm(ctx context.Context, w *rest.Work, subject string, s Schema, a *rest.Answer) (Version, error) {
	id, err := a.SchemaID()
	if err != nil {
		return Version{}, err
	}
	key := idKey{rest.ContextOf(subject), id}
	c.writes.noteID(key)
	c.ids.Failures.Forget(func(k idKey) bool { return k == key })
	var there Version
	if a.Schema != "" {
		there, err = c.asSchema(ctx, w, subject, a)
	} else {
		there, err = c.schemaByID(ctx, w, subject, id)
	}
	if err != nil {
		return Version{}, fmt.Errorf("the registry answered id %d, which cannot be read: %w", id, err)
	}
	whole, err := c.resolved(ctx, w, subject, s.Text, s.References)
	if err != nil {
		return Version{}, err
	}
	if !writesAlike(whole, there.Schema) {
		return Version{}, fmt.Errorf("the registry answered id %d, which is another schema: %s", id, rest.Quote(there.Schema, rest.MaxQuote))
	}
	if part := droppedPart(s, there); part != "" {
		return Version{}, fmt.Errorf("%w: the registry has the schema as id %d, but has dropped its %s", ErrUnsupported, id, part)
	}
	if a.Schema != "" { // the first read of the id needs no call
		there.ID = id
		c.ids.Known.Add(key, there)
		c.disk.Save(key.fact(), there)
	}
	return Version{
		Subject: subject, Version: a.Version, ID: id, GUID: cmp.Or(a.SchemaGUID(), there.GUID), Schema: whole,
		Registered: s.Text, References: s.References, Metadata: there.Metadata, RuleSet: there.RuleSet,
	}, nil
}

// droppedPart names the part of a contract that the registry has dropped
// without an error. It returns "" if the registry has kept the contract.
// Writers would otherwise send fields in clear text that a rule was to encrypt.
// The loss of properties is no error, because most properties are descriptions.
func droppedPart(s Schema, there Version) string {
	if !s.RuleSet.Empty() && there.RuleSet.Empty() {
		return "rules"
	}
	if s.Metadata != nil && len(s.Metadata.Tags) > 0 && (there.Metadata == nil || len(there.Metadata.Tags) == 0) {
		return "metadata tags"
	}
	return ""
}
