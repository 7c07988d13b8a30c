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
	var all []transport.Broker
	for _, k := range clients {
		for _, b := range k.transport.Brokers().List() {
			i := slices.IndexFunc(all, func(other transport.Broker) bool { return other.ID == b.ID && other.Address == b.Address })
			if i < 0 {
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
