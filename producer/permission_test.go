package producer

import (
	"errors"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
)

// Every "not authorized" says what to grant to whom, and keeps the client's error. (On real brokers: TestPermissions in
// internal/integration.)
func TestLacking(t *testing.T) {
	t.Parallel()
	named, err := settings.New(settings.ForTransactional, []string{"b:1"}, "pay-0", []Option{WithSASL(ScramSHA512("alice", "p"))})
	if err != nil {
		t.Fatal(err)
	}
	token, err := settings.New(settings.ForProducer, []string{"b:1"}, "", []Option{WithSASL(OIDC(OIDCConfig{TokenURL: "https://i/t", ClientID: "c", ClientSecret: "s"}))})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		config *settings.Config
		code   kafka.ErrorCode
		want   string
	}{
		{named, kafka.ErrTopicAuthorizationFailed, "--allow-principal User:alice --operation Write --topic it)"},
		{named, kafka.ErrGroupAuthorizationFailed, "--allow-principal User:alice --operation Write --group it)"},
		{named, kafka.ErrTransactionalIDAuthorizationFailed, "--operation Write --transactional-id pay-0)"},
		{named, kafka.ErrClusterAuthorizationFailed, "--operation IdempotentWrite --cluster)"},
		{token, kafka.ErrTopicAuthorizationFailed, "--allow-principal User:… --operation"}, // the subject is the provider's to say
		{named, kafka.ErrUnknownTopicOrPart, ""},
	} {
		cause := kafka.NewError(c.code, "refused", false)
		err := explainDenied(c.config, cause, "Write", "it")
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), c.want) || (c.want == "") != (err.Error() == "refused") {
			t.Errorf("%v: %v, want %q", c.code, err, c.want)
		}
	}
	if err := explainDenied(named, nil, "Write", "it"); err != nil {
		t.Error(err)
	}
}
