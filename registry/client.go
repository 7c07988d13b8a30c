package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/logsum"
	"github.com/avroline/avroline/registry/internal/cache"
	"github.com/avroline/avroline/registry/internal/rest"
)

// Client talks to a schema registry and caches the answers. A Client is safe
// for concurrent use, and a program needs only a single Client. Printing a
// Client shows only the URLs.
type Client struct {
	transport  *rest.Transport
	background *rest.Background
	logger     *slog.Logger
	sums       *logsum.Handler // sums up the lines of logger that repeat
	timeout    time.Duration   // of an attempt
	disk       *cache.Disk
	latestTTL  time.Duration
	writes     *writes

	ids             *cache.Memo[idKey, Version]
	guids           *cache.Memo[uuid.UUID, Version]
	registered      *cache.Memo[schemaKey, Version]
	lookups         *cache.Memo[schemaKey, Version]
	foundVersions   *cache.Memo[findKey, Version]
	parts           *cache.Memo[partKey, *rest.Answer] // versions that references name
	latest          *latestVersions
	withMetadata    metadataLookups
	listUnsupported atomic.Bool // the registry has no list of the versions of a subject
	hooks           hooks
}

// New makes a client for the registry at urls. The urls are nodes of the same
// registry in the order of preference. If urls is empty, New uses the URLs of
// [WithConfig], [WithConfigFile] or [WithEnviron]. New makes no call.
//
// The client sends user info in a URL as Basic credentials for this URL, and
// never prints the user info. The error names every option and URL that is
// wrong.
func New(urls []string, opts ...Option) (*Client, error) {
	cfg, configured := newConfig(opts)
	if len(urls) == 0 {
		urls = configured
	}
	return newClient(urls, cfg)
}

func newClient(urls []string, cfg *config) (*Client, error) {
	errs := []error{cfg.check()}
	if len(urls) == 0 {
		errs = append(errs, errors.New("no URL was given"))
	}
	if cfg.logger == nil { // check has reported it
		cfg.logger = slog.New(slog.DiscardHandler)
	}
	sums := logsum.New(cfg.logger.Handler())
	cfg.logger = slog.New(sums)
	hooks := joinHooks(cfg.hooks, cfg.logger)
	b := rest.NewBackground()
	t, err := rest.NewTransport(rest.Config{
		Background: b, URLs: urls, Auth: cfg.auth, User: cfg.user, Source: cfg.source, Secrets: cfg.secrets, Headers: cfg.headers,
		RoundTrip: cfg.roundTripper(), Timeout: cfg.timeout, Retries: cfg.retries, Base: cfg.base, Cap: cfg.cap,
		WayBack: cfg.wayBack, MaxBody: cfg.maxBody, Logger: cfg.logger, Observers: hooks.observers(),
	})
	errs = append(errs, err)
	store, err := cache.OpenDisk(cfg.disk, t.Tenant(), cfg.logger)
	if err := errors.Join(append(errs, err)...); err != nil {
		b.Stop()
		sums.Close()
		return nil, fmt.Errorf("registry: %w", err)
	}
	if len(cfg.unknown) > 0 {
		cfg.logger.LogAttrs(context.Background(), slog.LevelWarn, "registry_unknown_settings", slog.Any("settings", cfg.unknown))
	}
	c := &Client{
		hooks:         hooks,
		transport:     t,
		background:    b,
		logger:        cfg.logger,
		sums:          sums,
		timeout:       cfg.timeout,
		disk:          store,
		latestTTL:     cfg.latestTTL,
		writes:        newWrites(cfg.schemas),
		guids:         cache.NewMemo[uuid.UUID, Version](b, cfg.schemas, isAbsent[uuid.UUID]),
		registered:    cache.NewMemo[schemaKey, Version](b, cfg.schemas, isRefused),
		lookups:       cache.NewMemo[schemaKey, Version](b, cfg.schemas, isAbsent[schemaKey]),
		foundVersions: cache.NewMemo[findKey, Version](b, cfg.schemas, isAbsent[findKey]),
		parts:         cache.NewMemo[partKey, *rest.Answer](b, cfg.schemas, nil),
		latest:        newLatestVersions(cfg.schemas),
		withMetadata:  metadataLookups{failures: cache.NewFailures(cfg.schemas, isAbsent[metadataKey])},
	}
	c.ids = cache.NewMemo[idKey, Version](b, cfg.schemas, func(key idKey, err error) bool {
		return isAbsent(key, err) && !c.writes.hasID(key)
	})
	return c, nil
}

// Close stops the calls in the background and closes idle connections. A closed
// client answers from memory, and every other call returns [ErrClosed]. A
// second Close does nothing.
func (c *Client) Close() error {
	c.background.Stop()
	c.transport.Close()
	c.sums.Close()
	return nil
}

// Format prints the URLs, without credentials, for every verb.
func (c *Client) Format(s fmt.State, _ rune) {
	if c == nil {
		_, _ = io.WriteString(s, "<nil>")
		return
	}
	fmt.Fprintf(s, "registry.Client(%s)", strings.Join(c.transport.BaseURLs(), ", "))
}

// caller returns a caller for w. known says how much of the answer this client
// has just written.
func (c *Client) caller(w *rest.Work, known rest.Written) rest.Caller {
	return rest.Caller{Transport: c.transport, Work: w, Written: known}
}

// forgetAnswers forgets the answers that a write of this client may have
// outdated.
func (c *Client) forgetAnswers(subject string) {
	c.writes.countChange()
	c.latest.forget(subject)
	c.forgetFailures(subject)
}

// forgetFailures forgets the failures of a subject. An empty subject means all
// subjects.
func (c *Client) forgetFailures(subject string) {
	on := func(key schemaKey) bool { return subject == "" || key.subject == subject }
	c.registered.Failures.Forget(on)
	c.lookups.Failures.Forget(on)
	c.foundVersions.Failures.Forget(func(key findKey) bool { return subject == "" || key.subject == subject })
	c.withMetadata.failures.Forget(func(key metadataKey) bool { return subject == "" || key.subject == subject })
	c.latest.failures.Forget(func(name string) bool { return subject == "" || name == subject })
}

// freshCaller returns a caller for a single call whose result is not cached.
func (c *Client) freshCaller(ctx context.Context) rest.Caller {
	return c.caller(rest.NewWork(ctx), rest.NothingWritten)
}
