//go:build !unix

package franz

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
