package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
)

// Client talks to a schema registry and remembers what it said. It is safe for
// concurrent use; one client serves a whole program. Printing it shows its URLs
// and nothing else.
type Client struct {
	transport  *transport
	background *background
	disk       *disk
	latestTTL  time.Duration

	ids        *memo[idKey, Version]
	guids      *memo[uuid.UUID, Version]
	registered *memo[schemaKey, Version] // shares what is known with looked
	looked     *memo[schemaKey, Version]
	found      *memo[findKey, Version]
	parts      *memo[partKey, *answer]     // what references name
	latest     *lru.Cache[string, *latest] // by subject
	refresh    flights[string, *latest]

	mu     sync.Mutex
	writes uint64 // how often this client changed something in the registry
}

// idKey: ids count per context.
type idKey struct {
	context string
	id      int
}

// schemaKey names a schema on a subject. rest holds references, metadata and
// rules as JSON; it is "" for a schema without them.
type schemaKey struct {
	subject, text, rest string
	normalize           bool
}

func newSchemaKey(subject string, s Schema) schemaKey {
	key := schemaKey{subject: subject, text: s.Text, normalize: s.Normalize}
	if len(s.References) > 0 || s.Metadata != nil || s.RuleSet != nil {
		rest, _ := json.Marshal([]any{s.References, s.Metadata, s.RuleSet}) // plain data: it cannot fail
		key.rest = string(rest)
	}
	return key
}

type partKey struct {
	subject string
	version int
}

// New makes a client for the registry at urls, which are nodes of one registry
// in the order of preference. It makes no call. User info in a URL is used as
// Basic credentials for that URL and shown nowhere.
func New(urls []string, opts ...Option) (*Client, error) {
	cfg := defaults()
	for _, o := range opts {
		if o.apply != nil {
			o.apply(cfg)
		}
	}
	errs := []error{cfg.check()}
	if len(urls) == 0 {
		errs = append(errs, errors.New("no URL was given"))
	}
	b := newBackground()
	auth := cfg.auth
	var toks *tokens
	if cfg.source != nil {
		toks = &tokens{source: cfg.source, background: b}
		auth = toks.authorize
	}
	nodes := &endpoints{wayBack: cfg.wayBack}
	for i, s := range urls {
		ep, user, err := parseEndpoint(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("URL %d of %d: %w", i+1, len(urls), err))
			continue
		}
		ep.auth = auth
		if user != nil {
			password, _ := user.Password()
			ep.auth = basicAuth(user.Username(), password)
			cfg.secrets = append(cfg.secrets, password)
		}
		nodes.list = append(nodes.list, ep)
	}
	store, err := openDisk(cfg.disk, nodes.list, cfg.logger)
	if err := errors.Join(append(errs, err)...); err != nil {
		b.stop()
		return nil, fmt.Errorf("registry: %w", err)
	}

	absent := func(err error) bool { return errors.Is(err, ErrSchemaNotFound) }
	c := &Client{
		transport: &transport{
			client: newHTTPClient(cfg), endpoints: nodes, background: b, tokens: toks,
			headers: cfg.headers, secrets: cfg.secrets,
			timeout: cfg.timeout, retries: cfg.retries, base: cfg.base, cap: cfg.cap,
			maxBody: cfg.maxBody, logger: cfg.logger,
		},
		background: b,
		disk:       store,
		latestTTL:  cfg.latestTTL,
		ids:        newMemo[idKey, Version](b, cfg.schemas, absent),
		guids:      newMemo[uuid.UUID, Version](b, cfg.schemas, absent),
		registered: newMemo[schemaKey, Version](b, cfg.schemas, refused),
		looked:     newMemo[schemaKey, Version](b, cfg.schemas, notThere),
		found:      newMemo[findKey, Version](b, cfg.schemas, notThere),
		parts:      newMemo[partKey, *answer](b, cfg.schemas, nil),
		latest:     newCache[string, *latest](cfg.schemas),
	}
	c.looked.known = c.registered.known // what one found the other need not ask for
	return c, nil
}

// Close ends the calls that run in the background and closes idle connections.
// Afterwards what is in memory is still answered, everything else is
// [ErrClosed]. It may be called again.
func (c *Client) Close() error {
	c.background.stop()
	c.transport.client.CloseIdleConnections()
	return nil
}

// Format prints the URLs, without credentials, for every verb.
func (c *Client) Format(s fmt.State, _ rune) {
	if c == nil {
		_, _ = io.WriteString(s, "<nil>")
		return
	}
	urls := make([]string, len(c.transport.endpoints.list))
	for i, ep := range c.transport.endpoints.list {
		urls[i] = ep.String()
	}
	fmt.Fprintf(s, "registry.Client(%s)", strings.Join(urls, ", "))
}

// notThere reports whether the registry has no such schema on the subject.
func notThere(err error) bool {
	return errors.Is(err, ErrSchemaNotFound) || errors.Is(err, ErrSubjectNotFound)
}

// refused reports whether a schema was refused for good: for a second the
// answer is believed, so that a storm of events of a refused schema is no storm
// of calls.
func refused(err error) bool {
	var incompatible *IncompatibleError
	var answer *Error
	return errors.As(err, &incompatible) || errors.As(err, &answer) && answer.Status == 422
}

// Register stores a schema under a subject, unless it is there already, and
// returns what the registry says of it. The schema is registered as it is
// written. [Version].Version is 0 where the registry does not tell the number;
// [Client.Lookup] then finds it.
//
// What was registered once is remembered, so that a second call costs nothing.
// The first call reads the schema of the id that the registry answers, and
// refuses the id of another schema.
//
// Calls at one time for one schema are one call. A caller whose context ends
// leaves the call to the others.
//
// The error is an [*IncompatibleError] when the subject's compatibility level
// forbids the schema, an [*Error] when the registry refuses it otherwise (422
// for a text that is not a schema), and an [*UnavailableError] when no registry
// answered.
func (c *Client) Register(ctx context.Context, subject string, s Schema) (Version, error) {
	return c.identify(ctx, "register", c.registered, subject, s, c.register)
}

// Lookup returns the version of a subject that is exactly this schema, with the
// same references in the same order, and registers nothing. It remembers what it
// found as [Client.Register] does. The error is [ErrSubjectNotFound] or
// [ErrSchemaNotFound] where there is none.
func (c *Client) Lookup(ctx context.Context, subject string, s Schema) (Version, error) {
	return c.identify(ctx, "look up", c.looked, subject, s, c.lookup)
}

// identify answers from memory, from the registry, or, when the registry does
// not answer in time, from the disk.
func (c *Client) identify(ctx context.Context, verb string, memo *memo[schemaKey, Version], subject string, s Schema,
	load func(context.Context, *work, string, Schema) (Version, error),
) (Version, error) {
	key := newSchemaKey(subject, s)
	if known, ok := memo.known.Get(key); ok {
		return known, nil
	}
	if err := checkSubject(subject); err != nil {
		return Version{}, fmt.Errorf("registry: %s: %w", verb, err)
	}
	v, err := recall(ctx, c, key.fact(), func(ctx context.Context) (Version, error) {
		return memo.get(ctx, nil, key, func(ctx context.Context, w *work) (Version, error) {
			v, err := load(ctx, w, subject, s)
			if err == nil {
				c.disk.save(key.fact(), v)
			}
			return v, err
		})
	})
	if err != nil {
		return Version{}, fmt.Errorf("registry: %s a schema of %q: %w", verb, subject, err)
	}
	memo.known.Add(key, v)
	return v, nil
}

func (c *Client) register(ctx context.Context, w *work, subject string, s Schema) (Version, error) {
	a, err := c.transport.register(ctx, w, subject, s)
	if err != nil {
		return Version{}, c.explain(ctx, w, subject, s, err)
	}
	c.changed(subject)
	return c.confirm(ctx, w, subject, s, a)
}

func (c *Client) lookup(ctx context.Context, w *work, subject string, s Schema) (Version, error) {
	a, err := c.transport.lookup(ctx, w, subject, s)
	if err != nil {
		return Version{}, err
	}
	return c.confirm(ctx, w, subject, s, a)
}

// confirm checks that the id of an answer is one of the schema: a wrong id
// before our bytes would corrupt them silently for every reader.
func (c *Client) confirm(ctx context.Context, w *work, subject string, s Schema, a *answer) (Version, error) {
	id, err := a.id()
	if err != nil {
		return Version{}, err
	}
	there, err := c.schemaByID(ctx, w, subject, id)
	if err != nil {
		return Version{}, fmt.Errorf("the registry answered id %d, which cannot be read: %w", id, err)
	}
	ours, err := c.resolved(ctx, w, subject, s.Text, s.References)
	if err != nil {
		return Version{}, err
	}
	if !writesAlike(ours, there.Schema) {
		return Version{}, fmt.Errorf("the registry answered id %d, which is another schema: %s", id, quote(there.Schema, maxQuote))
	}
	return Version{
		Subject: subject, Version: a.Version, ID: id, GUID: a.guid(), Schema: ours,
		Registered: s.Text, References: s.References,
		Metadata: cmp.Or(a.Metadata, there.Metadata, s.Metadata), RuleSet: cmp.Or(a.RuleSet, there.RuleSet, s.RuleSet),
	}, nil
}

// SchemaByID returns the schema with an id. subject only matters where it names
// a context (":.context:name"), because ids count in each context; otherwise it
// may be empty. Answers are kept. An unknown id ([ErrSchemaNotFound]) is asked
// for once a second at most.
func (c *Client) SchemaByID(ctx context.Context, subject string, id int) (Version, error) {
	v, err := c.schemaByID(ctx, nil, subject, id)
	if err != nil {
		return Version{}, fmt.Errorf("registry: schema %d: %w", id, err)
	}
	return v, nil
}

// schemaByID is SchemaByID for a caller or, with outer, inside another work.
func (c *Client) schemaByID(ctx context.Context, outer *work, subject string, id int) (Version, error) {
	if id < 0 || id > maxID { // no message can carry it
		return Version{}, ErrSchemaNotFound
	}
	return c.ids.get(ctx, outer, idKey{contextOf(subject), id}, func(ctx context.Context, w *work) (Version, error) {
		return c.loadID(ctx, w, subject, id)
	})
}

func (c *Client) loadID(ctx context.Context, w *work, subject string, id int) (Version, error) {
	fact := idKey{contextOf(subject), id}.fact()
	var v Version
	if c.disk.load(fact, &v) {
		return v, nil
	}
	a, err := c.transport.schemaByID(ctx, w, subject, id)
	if err != nil {
		return Version{}, err
	}
	if v, err = c.asSchema(ctx, w, subject, a); err != nil {
		return Version{}, err
	}
	v.ID = id
	c.disk.save(fact, v)
	return v, nil
}

// SchemaByGUID returns the schema with a GUID, which every context shares, like
// [Client.SchemaByID]. Registries other than Confluent's know no GUIDs.
func (c *Client) SchemaByGUID(ctx context.Context, guid uuid.UUID) (Version, error) {
	v, err := c.guids.get(ctx, nil, guid, func(ctx context.Context, w *work) (Version, error) {
		fact := fact{"guid", guid.String()}
		var v Version
		if c.disk.load(fact, &v) {
			return v, nil
		}
		a, err := c.transport.schemaByGUID(ctx, w, guid)
		if err != nil {
			return Version{}, err
		}
		if v, err = c.asSchema(ctx, w, a.Subject, a); err != nil {
			return Version{}, err
		}
		v.GUID = guid
		c.disk.save(fact, v)
		return v, nil
	})
	if err != nil {
		return Version{}, fmt.Errorf("registry: schema %s: %w", guid, err)
	}
	return v, nil
}

// changed forgets what a write of ours may have made untrue.
func (c *Client) changed(subject string) {
	c.mu.Lock()
	c.writes++
	c.latest.Remove(subject)
	c.mu.Unlock()
	c.allow(subject)
}

// allow forgets what was refused on a subject, or on every one when it is "".
func (c *Client) allow(subject string) {
	for _, key := range c.registered.refused.Keys() {
		if subject == "" || key.subject == subject {
			c.registered.refused.Remove(key)
		}
	}
	for _, key := range c.looked.refused.Keys() {
		if subject == "" || key.subject == subject {
			c.looked.refused.Remove(key)
		}
	}
	for _, key := range c.found.refused.Keys() {
		if subject == "" || key.subject == subject {
			c.found.refused.Remove(key)
		}
	}
}
