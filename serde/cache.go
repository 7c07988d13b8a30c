package serde

import (
	"context"
	"sync"
	"sync/atomic"
)

// maxCached bounds the writers' schemas that a cache keeps.
const maxCached = 1024

// cache keeps what was made of a writer's schema, by the id on the wire. To look
// is one atomic load: the map is never changed but replaced. When it is full,
// what was not looked up since it was last full is dropped.
type cache[V any] struct {
	newest atomic.Pointer[cached[V]] // most messages are of the newest schema
	all    atomic.Pointer[map[wireID]*cached[V]]

	mu   sync.Mutex // guards the replacing
	cold flights[wireID, *V]
}

type cached[V any] struct {
	id    wireID
	value *V
	used  atomic.Bool
}

// find is nil where nothing is known.
func (c *cache[V]) find(id wireID) *V {
	if e := c.newest.Load(); e != nil && e.id == id {
		return e.value
	}
	all := c.all.Load()
	if all == nil {
		return nil
	}
	e := (*all)[id]
	if e == nil {
		return nil
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.value
}

// fill finds what find did not, by one call of load for all who ask at a time.
// An error of load is not kept.
func (c *cache[V]) fill(ctx context.Context, id wireID, load func(context.Context, wireID) (*V, error)) (*V, error) {
	v, err := c.cold.do(ctx, id, func(ctx context.Context) (*V, error) {
		if v := c.find(id); v != nil { // found since
			return v, nil
		}
		v, err := load(ctx, id)
		if err == nil {
			c.add(id, v)
		}
		return v, err
	})
	return v, interrupted(ctx, "schema of "+id.String(), err)
}

func (c *cache[V]) add(id wireID, v *V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[wireID]*cached[V]{}
	if all := c.all.Load(); all != nil {
		full := len(*all) >= maxCached
		for id, e := range *all {
			if full && (!e.used.Swap(false) || len(next) == maxCached/2) {
				continue
			}
			next[id] = e
		}
	}
	e := &cached[V]{id: id, value: v}
	next[id] = e
	c.all.Store(&next)
	c.newest.Store(e)
}
