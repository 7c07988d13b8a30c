package engine

import (
	"errors"
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestFatalErrorReportedTwice lets a second goroutine report a fatal error,
// while the first has noted its error and the client does not refuse messages
// yet. The second must see the refusal when fail returns, because produce reads
// it.
func TestFatalErrorReportedTwice(t *testing.T) {
	t.Parallel()
	k := &client{engine: &Engine{config: new(settings.Config)}}
	first := errors.New("first")
	k.fatal.Store(&first)
	k.fail(&transport.Error{Code: transport.Other, Fatal: true, Text: "second"})
	if why := k.refusal.Load(); why == nil || !errors.Is(*why, first) {
		t.Errorf("the client refuses with %v, want %v", why, first)
	}
}
