package transporttest

import (
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// testSecurity checks that the client logs in, and that the client reports a
// failed login.
func testSecurity(t *testing.T, lib Library) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			b := embedded(t, producertest.WithUser(mechanism, "ada", "right"), producertest.WithTopic("topic", 1))
			login := func(password string) settings.Option {
				return settings.WithSASL(settings.NewSASL(settings.Credentials{Mechanism: mechanism, User: "ada", Password: password}))
			}
			s := open(t, lib, config(t, b.addrs, "", login("right")))
			s.send(t, s.topic(t, "topic"), 1, 10)
			s.all(t, 10)
			if persisted, _, _ := s.count(); persisted != 10 {
				t.Errorf("%d of 10 persisted", persisted)
			}
			wrong := open(t, lib, config(t, b.addrs, "", login("wrong")))
			wrong.send(t, wrong.topic(t, "topic"), 1, 1)
			wrong.until(t, "trouble with the login", func() bool {
				for _, e := range wrong.trouble {
					if e.Code == transport.Authentication {
						return true
					}
				}
				return false
			})
			wrong.client.Purge()
			wrong.all(t, 1)
			if _, not, _ := wrong.count(); not != 1 && !lib.NoFailureDetails {
				t.Errorf("the message that never left is %v", wrong.outcomes[1])
			}
		})
	}
}
