package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/internal/redact"
)

const (
	mediaType    = "application/vnd.schemaregistry.v1+json"
	maxRedirects = 5
	// maxErrorBody limits the body of an error. The refusal of an incompatible
	// schema quotes the old schema.
	maxErrorBody = 4 << 20
	// maxDrained limits the rest of a body that is read so that the connection
	// can be used again.
	maxDrained = 64 << 10
)

// sender makes a single attempt of a call on an endpoint.
type sender struct {
	client  *http.Client
	tokens  *tokens // nil if there is no token source
	headers http.Header
	secrets []string // values that no error may show
	maxBody int64
}

// checkRedirect allows only a few redirects. checkRedirect refuses a redirect
// that would turn a write into a read, or send credentials to another origin.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, next.URL.Host)
	}
	if next.Method != first.Method {
		return fmt.Errorf("%s was redirected to %s in a way that drops its body: use that URL", first.Method, next.URL.Host)
	}
	if next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host {
		for name := range next.Header {
			if name != "Accept" && name != "Content-Type" {
				next.Header.Del(name)
			}
		}
	}
	return nil
}

// attempt makes a call on an endpoint. If the endpoint refuses the token,
// attempt repeats the call once with a new token.
func (s *sender) attempt(caller context.Context, ep *endpoint, req Call, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(caller, timeout)
	defer cancel()
	body, sent, err := s.send(ctx, ep, req)
	var answer *Error
	if s.tokens != nil && errors.As(err, &answer) && answer.Status == http.StatusUnauthorized {
		s.tokens.forget(strings.TrimPrefix(sent, "Bearer "))
		body, _, err = s.send(ctx, ep, req)
	}
	switch {
	case err == nil || errors.As(err, &answer) || ctx.Err() == nil:
	case caller.Err() != nil:
		err = &connError{context.Cause(caller)}
	default:
		err = &connError{&timeoutError{timeout}}
	}
	return body, err
}

// send makes the HTTP request and reads the answer. send also returns the
// Authorization header that was sent.
func (s *sender) send(ctx context.Context, ep *endpoint, req Call) (body []byte, sent string, err error) {
	u := ep.base.String() + req.Path
	if req.Query != "" {
		u += "?" + req.Query
	}
	r, err := http.NewRequestWithContext(ctx, req.Method, u, bytes.NewReader(req.body))
	if err != nil {
		return nil, "", err
	}
	for name, values := range s.headers {
		r.Header[name] = values
	}
	r.Header.Set("Accept", mediaType+", application/json")
	if req.body != nil {
		r.Header.Set("Content-Type", mediaType)
	}
	if ep.auth != nil {
		if err := ep.auth(ctx, r); err != nil {
			var refused *oauth.RefusedError
			if errors.As(err, &refused) {
				return nil, "", err
			}
			return nil, "", &connError{err}
		}
	}
	sent = r.Header.Get("Authorization")
	hide := func(text string) string { return s.redact(text, sent) }
	resp, err := s.client.Do(r)
	if err != nil {
		var outer *url.Error // its text repeats the method and the URL
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, sent, hideIn(&connError{err}, hide)
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrained)
		_ = resp.Body.Close()
	}()
	ok := resp.StatusCode/100 == 2
	limit := s.maxBody
	if !ok {
		limit = maxErrorBody
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case !ok && (err == nil || !codeDecides(resp.StatusCode)):
		return nil, sent, s.refusal(ep, req, resp, body, hide)
	case err != nil:
		return nil, sent, hideIn(&connError{fmt.Errorf("the body was cut: %w", err)}, hide)
	case int64(len(body)) > limit:
		return nil, sent, fmt.Errorf("the answer of %s is longer than %d bytes", ep, limit)
	case resp.StatusCode == http.StatusNoContent && req.NoContent != nil:
		return nil, sent, req.NoContent
	case resp.StatusCode == http.StatusNoContent && req.needsNoBody():
		return nil, sent, nil
	}
	if err := req.Form.check(body); err != nil {
		text := Quote(hide(string(body)), MaxQuote) // a quote may cut a credential, so hide first
		if req.Secret {
			text = "the body is not shown"
		}
		return nil, sent, &connError{fmt.Errorf("status %d with %d bytes that are no registry's answer (%w): %s",
			resp.StatusCode, len(body), err, text)}
	}
	return body, sent, nil
}

// refusal returns the error for an answer that is not a 2xx.
func (s *sender) refusal(ep *endpoint, req Call, resp *http.Response, body []byte, hide func(string) string) error {
	e := newError(ep.String(), resp.StatusCode, resp.Header.Get("Content-Type"), body, hide)
	if req.Secret {
		e.Message, e.full = http.StatusText(e.Status), ""
	}
	switch {
	case retryStatus(e.Status):
		return &busyError{answer: e, after: retryAfter(resp.Header)}
	case e.lostRace():
		return &busyError{answer: e}
	case e.page && e.Status != http.StatusUnauthorized && e.Status != http.StatusProxyAuthRequired:
		return &busyError{answer: e} // a proxy wrote the answer, like a 503
	case req.written.contradicts(e):
		return &lagError{e}
	}
	return e
}

// hidden stands in the place of a credential.
const hidden = "xxxxx"

// redact removes credentials from remote text. The text may have a credential
// in another form, for example in a URL.
func (s *sender) redact(text, authorization string) string {
	for _, secret := range s.secrets {
		if len(secret) <= 2 {
			continue
		}
		for _, form := range redact.Forms(secret) {
			text = redact.Remove(text, form, hidden)
		}
	}
	_, sent, _ := strings.Cut(authorization, " ")
	return redact.Remove(text, sent, hidden)
}

// hideIn replaces the text of an error that shows a credential.
func hideIn(err *connError, hide func(string) string) error {
	if text := err.err.Error(); hide(text) != text {
		return &connError{errors.New(hide(text))}
	}
	return err
}
