package serde

import (
	"context"
	"sync"
	"sync/atomic"
)

// maxCached is how many writer schemas a cache keeps.
const maxCached = 1024

// cache stores the readers by a key, such as the schema id of the messages. A
// look-up is one atomic load, because the map is never changed: each addition
// replaces the map. A full cache drops the entries that were not used since the
// cache was last full.
type cache[K comparable, V any] struct {
	newest atomic.Pointer[cached[K, V]] // most messages have the newest schema
	all    atomic.Pointer[map[K]*cached[K, V]]

	mu sync.Mutex // guards the replacement of all
}

type cached[K comparable, V any] struct {
	id    K
	value *V
	used  atomic.Bool // used since the cache was last full
}

// find returns the value of id, or nil if the cache has none.
func (c *cache[K, V]) find(id K) *V {
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

// fill makes the value of id with load and stores the value. Concurrent callers
// may call load more than once, but all callers return the value that was
// stored first. An error of load is not stored.
func (c *cache[K, V]) fill(ctx context.Context, id K, load func(context.Context, K) (*V, error)) (*V, error) {
	v, err := load(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.keep(id, v), nil
}

func (c *cache[K, V]) keep(id K, v *V) *V {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[K]*cached[K, V]{}
	if all := c.all.Load(); all != nil {
		if e := (*all)[id]; e != nil {
			return e.value
		}
		full := len(*all) >= maxCached
		for id, e := range *all {
			if full && (!e.used.Swap(false) || len(next) == maxCached/2) {
				continue
			}
			next[id] = e
		}
	}
	e := &cached[K, V]{id: id, value: v}
	next[id] = e
	c.all.Store(&next)
	c.newest.Store(e)
	return v
}
