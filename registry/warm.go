package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Need is one thing that a service will ask the registry for; see
// [Client.Warm].
type Need struct {
	ask func(context.Context, *Client) error
}

// NeedRegistered says that a schema will be written to a subject by a
// serializer that registers.
func NeedRegistered(subject, schema string) Need {
	return Need{func(ctx context.Context, c *Client) error {
		_, err := c.Register(ctx, subject, Schema{Text: schema})
		return err
	}}
}

// NeedLookup says that a schema will be written to a subject by a serializer
// that only looks up.
func NeedLookup(subject, schema string) Need {
	return Need{func(ctx context.Context, c *Client) error {
		_, err := c.Lookup(ctx, subject, Schema{Text: schema})
		return err
	}}
}

// NeedLatest says that the latest version of a subject will be asked for.
func NeedLatest(subject string) Need {
	return Need{func(ctx context.Context, c *Client) error {
		_, err := c.Latest(ctx, subject)
		return err
	}}
}

// NeedID says that messages with this schema id will be read.
func NeedID(id int) Need {
	return Need{func(ctx context.Context, c *Client) error {
		_, err := c.SchemaByID(ctx, "", id)
		return err
	}}
}

// warmAtOnce is how many needs are asked for at once.
const warmAtOnce = 32

// Warm asks for everything that a service will need, at once, so that its first
// events do not wait and what is wrong shows at the start. The error joins the
// problems of all needs, in their order. Once the registry turns out not to be
// available, the needs that were not asked for yet fail with that, too.
func (c *Client) Warm(ctx context.Context, needs ...Need) error {
	errs := make([]error, len(needs))
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var away error
	for range min(warmAtOnce, len(needs)) {
		wg.Go(func() {
			for i := range next {
				mu.Lock()
				gone := away
				mu.Unlock()
				if gone != nil {
					errs[i] = fmt.Errorf("registry: need %d of %d was not asked for: %w", i+1, len(needs), ErrUnavailable)
					continue
				}
				errs[i] = needs[i].ask(ctx, c)
				if errors.Is(errs[i], ErrUnavailable) {
					mu.Lock()
					away = errs[i]
					mu.Unlock()
				}
			}
		})
	}
	for i := range needs {
		next <- i
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}
