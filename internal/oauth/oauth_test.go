package oauth_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/oauth"
)

// TestTokenHidesItsValue checks that no text form of a token shows its value.
// The principal must be visible, because an empty text would also hide the
// value.
func TestTokenHidesItsValue(t *testing.T) {
	t.Parallel()
	const secret, principal = "s3cr3tXYZ", "alice"
	token := oauth.Token{Value: secret, Principal: principal, Expiry: time.Unix(0, 0).UTC()}
	holder := struct{ Token oauth.Token }{token}
	forms := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
		forms[verb] = fmt.Sprintf(verb, token)
		forms[verb+" of a pointer"] = fmt.Sprintf(verb, &token)
		forms[verb+" in a struct"] = fmt.Sprintf(verb, holder)
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "yaml": yaml.Marshal, "xml": xml.Marshal} {
		b, err := marshal(token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		forms[name] = string(b)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "token", token)
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "token", &token)
	forms["slog"] = log.String()
	for name, text := range forms {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("%s shows the value: %s", name, text)
		}
		if !strings.Contains(text, principal) {
			t.Errorf("control: %s does not show the principal: %s", name, text)
		}
	}
	var file bytes.Buffer
	if err := gob.NewEncoder(&file).Encode(token); err == nil || strings.Contains(file.String(), secret) {
		t.Errorf("gob took a token: %v", err)
	}
}
