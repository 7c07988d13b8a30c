package source

import (
	"time"

	"github.com/avroline/avroline/producer"
)

// HealthAfterWait returns the health of a later time, when a present wait has
// become too long.
func HealthAfterWait[T any](s *Source[T]) producer.Health {
	return s.healthAt(time.Now().Add(failingAfter))
}
