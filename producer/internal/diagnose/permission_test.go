package diagnose

import (
	"errors"
	"strings"
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestExplainDenied checks that every "not authorized" error names the grant
// and the principal, and wraps the client's error. TestPermissions in
// internal/integration checks the same with real brokers.
func TestExplainDenied(t *testing.T) {
	t.Parallel()
	named, err := settings.New(settings.ForTransactional, []string{"b:1"}, "pay-0", []settings.Option{settings.WithSASL(settings.NewSASL(settings.Credentials{Mechanism: "SCRAM-SHA-512", User: "alice", Password: "p"}))})
	if err != nil {
		t.Fatal(err)
	}
	token, err := settings.New(settings.ForProducer, []string{"b:1"}, "", []settings.Option{settings.WithSASL(settings.NewSASL(settings.Credentials{
		Mechanism: "OAUTHBEARER", User: "c",
		OIDC: &settings.OIDCConfig{TokenURL: "https://i/t", ClientID: "c", ClientSecret: "s"},
	}))})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		config *settings.Config
		code   transport.Code
		want   string
	}{
		{named, transport.TopicAuthorizationFailed, "--allow-principal User:alice --operation Write --topic it)"},
		{named, transport.GroupAuthorizationFailed, "--allow-principal User:alice --operation Write --group it)"},
		{named, transport.TransactionalIDAuthorizationFailed, "--operation Write --transactional-id pay-0)"},
		{named, transport.ClusterAuthorizationFailed, "--operation IdempotentWrite --cluster)"},
		{token, transport.TopicAuthorizationFailed, "--allow-principal User:… --operation"}, // only the identity provider knows the subject
		{named, transport.UnknownTopicOrPartition, ""},
	} {
		cause := &transport.Error{Code: c.code, Text: "refused"}
		err := ExplainDenied(c.config, cause, "Write", "it")
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), c.want) || (c.want == "") != (err.Error() == cause.Error()) {
			t.Errorf("%v: %v, want %q", c.code, err, c.want)
		}
		if again := ExplainDenied(c.config, err, "Write", "it"); again.Error() != err.Error() {
			t.Errorf("%v: explained twice: %v", c.code, again)
		}
	}
	if err := ExplainDenied(named, nil, "Write", "it"); err != nil {
		t.Error(err)
	}
}
