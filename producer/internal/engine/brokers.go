package engine

import (
	"cmp"
	"slices"

	"github.com/avroline/avroline/producer/internal/transport"
)

// Brokers returns the brokers of all clients, sorted by number. Brokers does no
// I/O. A broker that one client is connected to counts as connected.
func (e *Engine) Brokers() []transport.Broker {
	e.mu.Lock()
	clients := slices.Clone(e.clients)
	e.mu.Unlock()
	type key struct {
		id      int32
		address string
	}
	var all []transport.Broker
	known := map[key]int{} // index in all
	for _, k := range clients {
		for _, b := range k.transport.Brokers().List() {
			i, ok := known[key{b.ID, b.Address}]
			if !ok {
				known[key{b.ID, b.Address}] = len(all)
				all = append(all, b)
				continue
			}
			other := &all[i]
			other.Traffic = other.Traffic.Plus(b.Traffic)
			if rank(b.State) > rank(other.State) {
				other.State, other.Since, other.Reason = b.State, b.Since, b.Reason
			}
		}
	}
	slices.SortFunc(all, func(a, b transport.Broker) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Address, b.Address))
	})
	return all
}

// rank orders the states by how much they say.
func rank(s transport.BrokerState) int {
	return [...]int{transport.BrokerIdle: 0, transport.BrokerLost: 1, transport.BrokerUnreachable: 2, transport.BrokerConnected: 3}[s]
}
