package registry

import (
	"testing"
	"time"
)

// TestLatestAfterClockJump checks that the refresh of a latest version does not
// depend on the wall clock. If the wall clock is set back by hours, the version
// would stay in use for hours. Round removes the reading of the monotonic
// clock, so the two times differ only if there is such a reading.
func TestLatestAfterClockJump(t *testing.T) {
	t.Parallel()
	if due := *newLatest(Version{}, time.Minute).stale.Load(); due == due.Round(0) { // == compares the readings
		t.Errorf("%v is on the wall clock only", due)
	}
}
