//go:build cgo

package open

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestConsumerTokens opens a consumer that nobody polls. The consumer asks the
// token source at once, again after an error, and again before the token
// expires. Without a poll, the library asks for no token, and a processor
// looks up its topics before the first poll.
func TestConsumerTokens(t *testing.T) {
	t.Parallel()
	asked := make(chan int, 3)
	calls := 0
	source := oauth.SourceFunc(func(context.Context) (settings.Token, error) {
		if calls++; calls <= cap(asked) {
			asked <- calls
		}
		if calls == 1 {
			return settings.Token{}, errors.New("not yet")
		}
		return settings.Token{Value: "t", Principal: "ada", Expiry: time.Now().Add(50 * time.Millisecond)}, nil
	})
	c, err := settings.New(settings.ForProcessor, []string{"127.0.0.1:1"}, "id", []settings.Option{
		settings.WithSASL(settings.NewSASL(settings.Credentials{Mechanism: "OAUTHBEARER", Token: source})),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.RetryBackoffMax = time.Millisecond
	troubles := make(chan *transport.Error, 1)
	in, err := consumeConfluent(c, transport.Group{ID: "group", Protocol: transport.ClassicProtocol, Topics: []string{"in"}}, func(e *transport.Error) {
		if e.Code == transport.Authentication {
			select {
			case troubles <- e:
			default:
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for range cap(asked) {
		<-asked
	}
	if e := <-troubles; e.Text != "token source: not yet" {
		t.Errorf("the trouble: %v", e)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}
