package producer

// Stats are counts since New. Accepted = Delivered + NotSent + Unknown + InFlight at every instant.
type Stats struct {
	// Accepted are the messages whose call returned without an error, or is about to.
	Accepted int64
	// Delivered, NotSent and Unknown are the outcomes. NotSent are only messages of aborted transactions: what is refused
	// was never accepted.
	Delivered, NotSent, Unknown int64
	// InFlight have no outcome yet; InFlightBytes are those that the buffer holds, of keys, values and headers.
	InFlight, InFlightBytes int64
}

func (c *core) stats() Stats {
	// Outcomes first: each follows its acceptance, so that what is read later can only be more.
	s := Stats{Delivered: c.count.delivered.Load(), NotSent: c.count.notSent.Load(), Unknown: c.count.unknown.Load()}
	s.Accepted = c.count.accepted.Load()
	s.InFlight = s.Accepted - s.Delivered - s.NotSent - s.Unknown
	s.InFlightBytes = c.limit.bytes.Load() + c.lentBytes.Load()
	return s
}
