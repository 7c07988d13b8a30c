package oauth

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestFetchToken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status  int
		body    string
		life    time.Duration // 0 for a token that never expires
		refused bool
		text    string // part of the error; "" for a token
	}{
		"a token":          {200, `{"access_token":"tok","token_type":"Bearer","expires_in":3600}`, time.Hour, false, ""},
		"text as lifetime": {200, `{"access_token":"tok","expires_in":"3600"}`, time.Hour, false, ""},
		"half a second":    {200, `{"access_token":"tok","expires_in":3599.5}`, 3599500 * time.Millisecond, false, ""},
		"no lifetime":      {201, `{"access_token":"tok"}`, 0, false, ""},
		"absurd lifetime":  {200, `{"access_token":"tok","expires_in":1e30}`, maxLife * time.Second, false, ""},
		"wrong secret":     {401, `{"error":"invalid_client","error_description":"s3cr3t"}`, 0, true, "answered 401 invalid_client"},
		"a page":           {403, `<html>s3cr3t`, 0, true, "answered 403"},
		"a redirect":       {307, ``, 0, true, "redirects"},
		"busy":             {429, ``, 0, false, "answered 429"},
		"broken":           {500, `s3cr3t`, 0, false, "answered 500"},
		"no token":         {200, `{}`, 0, false, "without an access_token"},
		"another type":     {200, `{"access_token":"tok","token_type":"mac"}`, 0, false, "type mac"},
		"secret as a word": {400, `{"error":"not s3cr3t"}`, 0, true, "answered 400 not xxxxx"},
		"token as a type":  {200, `{"access_token":"tok","token_type":"tok"}`, 0, false, "type xxxxx"},
		"control bytes":    {400, `{"error":"a\nb"}`, 0, true, "answered 400 ab"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				id, secret, ok := r.BasicAuth()
				if !ok || id != "me%3A" || secret != "s3cr3t" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "a b" {
					t.Errorf("%s %s, %v", id, secret, r.Form)
				}
				w.Header().Set("Location", "http://other.invalid/")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer server.Close()
			before := time.Now()
			token, err := FetchToken(t.Context(), nil, server.URL, "me:", "s3cr3t", url.Values{"scope": {"a b"}})
			if test.text != "" {
				var refused *RefusedError
				if err == nil || !strings.Contains(err.Error(), test.text) || errors.As(err, &refused) != test.refused || strings.Contains(err.Error(), "s3cr3t") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || token.Value != "tok" {
				t.Fatal(token, err)
			}
			if test.life == 0 != token.Expiry.IsZero() || test.life > 0 && (token.Expiry.Before(before.Add(test.life)) || token.Expiry.After(time.Now().Add(test.life))) {
				t.Errorf("expires %v", token.Expiry)
			}
		})
	}
}
