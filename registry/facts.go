package registry

import (
	"context"
	"errors"
	"log/slog"
	"strconv"

	"github.com/avroline/avroline/registry/internal/rest"
)

func (k idKey) fact() fact { return fact{"id", k.context + strconv.Itoa(k.id)} }

func (k schemaKey) fact() fact {
	return fact{"text", strconv.Quote(k.subject) + strconv.FormatBool(k.normalize) + k.rest + k.text}
}

func latestFact(subject string) fact { return fact{"latest", subject} }

// recorded answers from the disk. If the disk has no answer, recorded calls
// load and stores the result on the disk.
func recorded(c *Client, w *rest.Work, f fact, load func() (Version, error)) (Version, error) {
	var v Version
	if c.disk.load(f, &v) {
		w.FromDisk = true
		return v, nil
	}
	v, err := load()
	if err != nil {
		return Version{}, err
	}
	c.disk.save(f, v)
	return v, nil
}

// recall asks the registry. If the registry does not answer in time, recall
// answers from the disk. A refusal by the registry is final.
func recall[V any](ctx context.Context, c *Client, f fact, ask func(context.Context) (V, error)) (V, error) {
	var kept V
	if !c.disk.load(f, &kept) {
		return ask(ctx)
	}
	limit := patience
	if c.transport.IsAway() {
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
		c.disk.forget(f)
		return v, err
	case !errors.Is(err, ErrUnavailable) && short.Err() == nil:
		return v, err
	}
	c.transport.NoAnswer()
	rest.NoteDisk(ctx)
	c.logger.LogAttrs(ctx, slog.LevelWarn, "registry_disk_cache_used", slog.String("kind", f.kind), slog.Any("error", err))
	return kept, nil
}
