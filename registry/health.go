package registry

// Health reports whether the registry can be reached. Health does no I/O and
// does not wait. If no registry answered the last request, Health lets a
// goroutine ask the registry again, at most once every two seconds. So a later
// Health is ready again without another call of the program.
//
// A program whose schemas are all known works without the registry. Such a
// program should treat a registry that is away as degraded, and not as broken.
func (c *Client) Health() Health {
	return c.transport.health()
}
