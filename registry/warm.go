package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Need is something that a service will ask the registry for (see
// [Client.Warm]). The zero Need asks for nothing.
type Need struct {
	ask func(context.Context, *Client) error
}

// NeedRegistered says that a serializer will register a schema under a subject
// and write with it. The need includes the latest version of the subject,
// because the serializer compares the rules.
func NeedRegistered(subject, schema string) Need {
	return Need{func(ctx context.Context, c *Client) error {
		_, err := c.Register(ctx, subject, Schema{Text: schema})
		if err == nil {
			_, err = c.Latest(ctx, subject)
		}
		return err
	}}
}

// NeedLookup says that a serializer will look up a schema under a subject,
// without registering, and write with it. The need includes the latest version
// of the subject, as for [NeedRegistered].
func NeedLookup(subject, schema string) Need {
	return Need{func(ctx context.Context, c *Client) error {
		_, err := c.Lookup(ctx, subject, Schema{Text: schema})
		if err == nil {
			_, err = c.Latest(ctx, subject)
		}
		return err
	}}
}

// NeedLatest says that the service will ask for the latest version of a
// subject.
func NeedLatest(subject string) Need {
	return Need{func(ctx context.Context, c *Client) error {
		_, err := c.Latest(ctx, subject)
		return err
	}}
}

// NeedID says that the service will read messages with this schema id.
func NeedID(id int) Need {
	return Need{func(ctx context.Context, c *Client) error {
		_, err := c.SchemaByID(ctx, "", id)
		return err
	}}
}

// warmAtOnce is how many needs Warm asks for at the same time.
const warmAtOnce = 32

// Warm asks for everything that a service will need, in parallel. The service's
// first events then do not wait, and problems show at the start. The error
// joins the problems of all needs, in their order. If the registry is not
// available, Warm asks for no further needs, and the remaining needs fail with
// the same error.
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
				if needs[i].ask == nil {
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
