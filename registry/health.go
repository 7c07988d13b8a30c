package registry

import "github.com/avroline/avroline/registry/internal/rest"

// Health is the state of a client's connection to its registry. Ready says
// whether a registry answered the last request, and is true before the first
// request. Since is the time of the last change of Ready, and at first the time
// of [New]. Reason is an [*UnavailableError] with the last error of each URL,
// or nil if Ready is true. URL is the URL that the client tries first, without
// credentials.
type Health = rest.Health

// Health reports whether the registry can be reached. Health does no I/O and
// does not wait. If no registry answered the last request, Health lets a
// goroutine ask the registry again, at most once every two seconds. So a later
// Health is ready again without another call of the program.
//
// A program whose schemas are all known works without the registry. Such a
// program should treat a registry that is away as degraded, and not as broken.
func (c *Client) Health() Health {
	return c.transport.Health()
}
