//go:build integration

package apicurio_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/apicurio"
)

func TestServer(t *testing.T) {
	s := apicurio.Start(t, apicurio.BasicAuth("ada", "secret"))
	post := func(user string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/subjects/a-value/versions", strings.NewReader(`{"schema":"\"long\""}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if user != "" {
			req.SetBasicAuth(user, "secret")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := post("ada"); got != http.StatusOK {
		t.Errorf("registering answered %d", got)
	}
	if got := post(""); got != http.StatusUnauthorized {
		t.Errorf("without a user it answered %d", got)
	}
}
