package registry

import (
	"context"
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

	ids        *memo[idKey, string]     // id → schema, references resolved
	guids      *memo[uuid.UUID, string] // GUID → schema
	registered *memo[textKey, ident]    // schema on a subject → its id; shares what is known with looked
	looked     *memo[textKey, ident]
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

type textKey struct {
	subject, schema string
	normalize       bool
}

type partKey struct {
	subject string
	version int
}

// ident is what goes before a message.
type ident struct {
	ID   int       `json:"id"`
	GUID uuid.UUID `json:"guid"`
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
		ids:        newMemo[idKey, string](b, cfg.schemas, absent),
		guids:      newMemo[uuid.UUID, string](b, cfg.schemas, absent),
		registered: newMemo[textKey, ident](b, cfg.schemas, refused),
		looked:     newMemo[textKey, ident](b, cfg.schemas, nil),
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

// refused reports whether a schema was refused for good: for a second the
// answer is believed, so that a storm of events of a refused schema is no storm
// of calls.
func refused(err error) bool {
	var incompatible *IncompatibleError
	var answer *Error
	return errors.As(err, &incompatible) || errors.As(err, &answer) && answer.Status == 422
}

// Register stores a schema under a subject, unless it is there already, and
// returns its id; guid is zero where the registry does not know GUIDs. schema is
// self-contained and is registered as it is written.
//
// What was registered once is remembered, so that a second call costs nothing.
// The first one reads the schema of the id that the registry answers, and
// refuses an id of another schema.
//
// Calls at one time for one schema are one call; a caller whose context ends
// leaves it to the others.
//
// The error is an [*IncompatibleError] when the subject's compatibility level
// forbids the schema, an [*Error] when the registry refuses it otherwise (422
// for a text that is not a schema), an [*UnavailableError] when no registry
// answered.
func (c *Client) Register(ctx context.Context, subject, schema string, normalize bool) (id int, guid uuid.UUID, err error) {
	return c.identify(ctx, "register", c.registered, textKey{subject, schema, normalize}, c.register)
}

// Lookup returns the id of a schema that the subject has, and registers nothing.
// The error is [ErrSubjectNotFound] or [ErrSchemaNotFound] where it is not
// there; a schema that was registered in parts, through references, is another
// text and not found.
func (c *Client) Lookup(ctx context.Context, subject, schema string, normalize bool) (id int, guid uuid.UUID, err error) {
	return c.identify(ctx, "look up", c.looked, textKey{subject, schema, normalize}, c.lookup)
}

// identify answers from memory, from the registry, or, when that does not
// answer in time, from the disk.
func (c *Client) identify(ctx context.Context, verb string, memo *memo[textKey, ident], key textKey,
	load func(context.Context, *work, textKey) (ident, error),
) (int, uuid.UUID, error) {
	if known, ok := memo.known.Get(key); ok {
		return known.ID, known.GUID, nil
	}
	if err := checkSubject(key.subject); err != nil {
		return 0, uuid.Nil, fmt.Errorf("registry: %s: %w", verb, err)
	}
	v, err := recall(ctx, c, key.fact(), func(ctx context.Context) (ident, error) {
		return memo.get(ctx, nil, key, func(ctx context.Context, w *work) (ident, error) {
			v, err := load(ctx, w, key)
			if err == nil {
				c.disk.save(key.fact(), v)
			}
			return v, err
		})
	})
	if err != nil {
		return 0, uuid.Nil, fmt.Errorf("registry: %s a schema of %q: %w", verb, key.subject, err)
	}
	memo.known.Add(key, v)
	return v.ID, v.GUID, nil
}

func (c *Client) register(ctx context.Context, w *work, key textKey) (ident, error) {
	s := Schema{Text: key.schema, Normalize: key.normalize}
	a, err := c.transport.register(ctx, w, key.subject, s)
	if err != nil {
		return ident{}, c.explain(ctx, w, key.subject, s, err)
	}
	c.changed(key.subject)
	return c.confirm(ctx, w, key.subject, s, a)
}

func (c *Client) lookup(ctx context.Context, w *work, key textKey) (ident, error) {
	s := Schema{Text: key.schema, Normalize: key.normalize}
	a, err := c.transport.lookup(ctx, w, key.subject, s)
	if err != nil {
		return ident{}, err
	}
	return c.confirm(ctx, w, key.subject, s, a)
}

// confirm checks that the id of an answer is one of the schema: a wrong id
// before our bytes would corrupt them silently for every reader.
func (c *Client) confirm(ctx context.Context, w *work, subject string, s Schema, a *answer) (ident, error) {
	id, err := a.id()
	if err != nil {
		return ident{}, err
	}
	there, err := c.schemaByID(ctx, w, subject, id)
	if err != nil {
		return ident{}, fmt.Errorf("the registry answered id %d, which cannot be read: %w", id, err)
	}
	ours, err := c.resolved(ctx, w, subject, s.Text, s.References)
	if err != nil {
		return ident{}, err
	}
	if !writesAlike(ours, there) {
		return ident{}, fmt.Errorf("the registry answered id %d, which is another schema: %s", id, quote(there, maxQuote))
	}
	return ident{id, a.guid()}, nil
}

// SchemaByID returns the schema with an id, its references resolved into the
// text. subject only matters where it names a context (":.context:name"), since
// ids count in each of them; else it may be empty. Answers are kept; an unknown
// id ([ErrSchemaNotFound]) is asked for once a second at most.
func (c *Client) SchemaByID(ctx context.Context, subject string, id int) (schema string, err error) {
	schema, err = c.schemaByID(ctx, nil, subject, id)
	if err != nil {
		return "", fmt.Errorf("registry: schema %d: %w", id, err)
	}
	return schema, nil
}

// schemaByID is SchemaByID for a caller or, with outer, inside another work.
func (c *Client) schemaByID(ctx context.Context, outer *work, subject string, id int) (string, error) {
	if id < 0 || id > maxID { // no message can carry it
		return "", ErrSchemaNotFound
	}
	return c.ids.get(ctx, outer, idKey{contextOf(subject), id}, func(ctx context.Context, w *work) (string, error) {
		return c.loadID(ctx, w, subject, id)
	})
}

func (c *Client) loadID(ctx context.Context, w *work, subject string, id int) (string, error) {
	fact := idKey{contextOf(subject), id}.fact()
	var schema string
	if c.disk.load(fact, &schema) {
		return schema, nil
	}
	a, err := c.transport.schemaByID(ctx, w, subject, id)
	if err != nil {
		return "", err
	}
	if schema, err = c.resolved(ctx, w, subject, a.Schema, a.References); err == nil {
		c.disk.save(fact, schema)
	}
	return schema, err
}

// SchemaByGUID returns the schema with a GUID, which every context shares, like
// [Client.SchemaByID]. Registries other than Confluent's know no GUIDs.
func (c *Client) SchemaByGUID(ctx context.Context, guid uuid.UUID) (schema string, err error) {
	schema, err = c.guids.get(ctx, nil, guid, func(ctx context.Context, w *work) (string, error) {
		fact := fact{"guid", guid.String()}
		var schema string
		if c.disk.load(fact, &schema) {
			return schema, nil
		}
		a, err := c.transport.schemaByGUID(ctx, w, guid)
		if err != nil {
			return "", err
		}
		if schema, err = c.resolved(ctx, w, a.Subject, a.Schema, a.References); err == nil {
			c.disk.save(fact, schema)
		}
		return schema, err
	})
	if err != nil {
		return "", fmt.Errorf("registry: schema %s: %w", guid, err)
	}
	return schema, nil
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
}
