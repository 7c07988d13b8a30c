package registry

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/avroline/avroline/registry/internal/cache"
	"github.com/avroline/avroline/registry/internal/rest"
)

// fromDiskOrLoad answers from the disk. If the disk has no answer,
// fromDiskOrLoad calls load and stores the result on the disk.
func fromDiskOrLoad(c *Client, w *rest.Work, f cache.Fact, load func() (Version, error)) (Version, error) {
	var v Version
	if c.disk.Load(f, &v) {
		w.FromDisk = true
		return v, nil
	}
	v, err := load()
	if err != nil {
		return Version{}, err
	}
	c.disk.Save(f, v)
	return v, nil
}

// askWait is how long the client waits for the registry if the disk has the
// answer. If the registry did not answer the last time, the client does not
// wait.
const askWait = time.Second

// askOrFromDisk asks the registry. If the registry does not answer in time,
// recall answers from the disk. A refusal by the registry is final.
func askOrFromDisk[V any](ctx context.Context, c *Client, f cache.Fact, ask func(context.Context) (V, error)) (V, error) {
	var kept V
	if !c.disk.Load(f, &kept) {
		return ask(ctx)
	}
	limit := askWait
	if c.transport.IsUnreachable() {
		limit = 0 // asked in the background, with no wait
	}
	short, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := ask(short)
	var answer *Error
	switch {
	case err == nil || errors.Is(err, ErrClosed):
		return v, err
	case !errors.Is(err, ErrUnavailable) && errors.As(err, &answer) && answer.NotFound():
		c.disk.Forget(f)
		return v, err
	case !errors.Is(err, ErrUnavailable) && short.Err() == nil:
		return v, err
	}
	c.transport.SetUnreachable()
	rest.NoteDisk(ctx)
	c.logger.LogAttrs(ctx, slog.LevelWarn, "registry_disk_cache_used", slog.String("kind", f.Kind), slog.Any("error", err))
	return kept, nil
}
