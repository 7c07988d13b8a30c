package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/redact"
)

// RefusedError says that the token endpoint refuses the credentials, or that a
// token cannot be sent. Another attempt with the same credentials would only
// lock the account.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

const (
	// maxAnswer limits the answer of a token endpoint, in bytes.
	maxAnswer = 1 << 20
	// maxLife, in seconds, keeps an absurd expires_in from overflowing.
	maxLife = 10 * 365 * 24 * 3600
)

// FetchToken gets a token by the client credentials grant of OAuth 2.0
// (RFC 6749, section 4.4). The id and the secret go by HTTP Basic. form holds
// more parameters of the request, such as scope. The client makes the call. Nil
// means http.DefaultClient. FetchToken follows no redirect, because the next
// host would get the secret.
//
// Expiry is zero if the answer has no expires_in. No error shows the secret or
// the body of an answer. A 3xx or 4xx is a [*RefusedError], except 408 and 429.
func FetchToken(ctx context.Context, client *http.Client, endpoint, id, secret string, form url.Values) (Token, error) {
	form.Set("grant_type", "client_credentials")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return Token{}, errors.New("the token URL is wrong")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	resp, err := withoutRedirects(client).Do(r)
	if err != nil {
		var reason *url.Error // its text repeats the URL
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return Token{}, fmt.Errorf("token endpoint %s: %w", r.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Token{}, fmt.Errorf("token endpoint %s: %w", r.URL.Host, err)
	}
	return readAnswer(r.URL.Host, resp.StatusCode, body, secret)
}

func readAnswer(host string, status int, body []byte, secret string) (Token, error) {
	var answer struct {
		AccessToken string      `json:"access_token"`
		TokenType   string      `json:"token_type"`
		ExpiresIn   json.Number `json:"expires_in"`
		Error       string      `json:"error"`
	}
	err := json.Unmarshal(body, &answer)
	switch {
	case status/100 == 3:
		return Token{}, &RefusedError{fmt.Sprintf("token endpoint %s answered %d, and redirects of a token endpoint are not followed: use the URL to which it redirects", host, status)}
	case status/100 == 4 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
		// RFC 6749, section 5.2, defines error as a word from a list. Nothing
		// else of the body is quoted, because the body may repeat the request.
		return Token{}, &RefusedError{fmt.Sprintf("token endpoint %s answered %d %s", host, status, shortenWord(answer.Error, secret))}
	case status/100 != 2:
		return Token{}, fmt.Errorf("token endpoint %s answered %d", host, status)
	case err != nil || answer.AccessToken == "":
		return Token{}, fmt.Errorf("token endpoint %s answered %d without an access_token", host, status)
	case answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "bearer"):
		return Token{}, fmt.Errorf("token endpoint %s gave a token of type %s, not bearer", host, shortenWord(answer.TokenType, secret, answer.AccessToken))
	}
	token := Token{Value: answer.AccessToken}
	if s, err := answer.ExpiresIn.Float64(); err == nil && s > 0 {
		token.Expiry = time.Now().Add(time.Duration(min(s, maxLife) * float64(time.Second)))
	}
	return token, nil
}

// shortenWord shortens a remote word, and drops control characters and secrets.
func shortenWord(s string, secrets ...string) string {
	const limit = 60
	for _, secret := range secrets {
		for _, form := range redact.Forms(secret) {
			s = redact.Remove(s, form, "xxxxx")
		}
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), limit)], ""))
	return s
}

// withoutRedirects returns a copy of an HTTP client that follows no redirect.
func withoutRedirects(client *http.Client) *http.Client {
	if client == nil {
		client = http.DefaultClient
	}
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}
