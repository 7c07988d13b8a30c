// Package endpoint makes the HTTP requests of the token sources. A request
// follows no redirect, because the next host would get the secret. The size of
// an answer is bounded. Errors quote only the error code of an answer.
package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// maxAnswer limits the size of an answer or of a file, in bytes.
const maxAnswer = 1 << 20

// wait bounds one request, also if the caller's context has no deadline.
const wait = 20 * time.Second

// Error says that an endpoint refused a request.
type Error struct {
	URL    string // without user, query and fragment
	Status int
	Code   string // the error code of the answer, for example invalid_client, or empty
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.URL, e.Status, http.StatusText(e.Status))
	if e.Code != "" {
		text += ": " + e.Code
	}
	return text
}

// Get asks for a URL.
func Get(ctx context.Context, client *http.Client, address string, header http.Header) ([]byte, error) {
	return Do(ctx, client, http.MethodGet, address, header, "")
}

// PostForm posts values and returns the answer.
func PostForm(ctx context.Context, client *http.Client, address string, values url.Values, header http.Header) ([]byte, error) {
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	return Do(ctx, client, http.MethodPost, address, header, values.Encode())
}

// Do makes one request. A nil client is [http.DefaultClient]. Any status but
// 200 is an [*Error].
func Do(ctx context.Context, client *http.Client, method, address string, header http.Header, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, errors.New("the address of the token service is not a URL")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if client == nil {
		client = http.DefaultClient
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	plain := plainURL(req.URL)
	resp, err := own.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) { // its text has the query
			err = failed.Err
		}
		return nil, fmt.Errorf("%s: %w", plain, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", plain, err)
	case len(answer) > maxAnswer:
		return nil, fmt.Errorf("%s: the answer is larger than %d bytes", plain, maxAnswer)
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, fmt.Errorf("%s redirects, and a redirect is not followed with a secret", plain)
	case resp.StatusCode != http.StatusOK:
		return nil, &Error{plain, resp.StatusCode, errorCode(answer)}
	}
	return answer, nil
}

func plainURL(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// errorCode finds the code in the forms {"error":"c"},
// {"error":{"status":"c"}}, {"Code":"c"} and <Code>c</Code>. Everything else of
// an answer may be a secret.
func errorCode(answer []byte) string {
	var asJSON struct {
		Error json.RawMessage
		Code  string
	}
	var code string
	if json.Unmarshal(answer, &asJSON) == nil {
		var inner struct{ Status, Code string }
		switch {
		case json.Unmarshal(asJSON.Error, &code) == nil:
		case json.Unmarshal(asJSON.Error, &inner) == nil && inner.Status != "":
			code = inner.Status
		default:
			code = asJSON.Code
		}
	} else if _, rest, ok := strings.Cut(string(answer), "<Code>"); ok {
		code, _, _ = strings.Cut(rest, "</Code>")
	}
	if regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`).MatchString(code) {
		return code
	}
	return ""
}

// CheckSecret returns an error if a secret would go to the address in clear
// text. Loopback and link-local addresses are allowed, because they belong to
// the machine.
func CheckSecret(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return errors.New("the address of the token service is not a URL")
	}
	if u.Scheme == "https" {
		return nil
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast() || isMetadata(u.Hostname()))) {
		return nil
	}
	return fmt.Errorf("%s: a secret goes over https only", plainURL(u))
}

// isMetadata tells whether a host is a metadata service of AWS over IPv6.
func isMetadata(host string) bool { return host == "fd00:ec2::23" || host == "fd00:ec2::254" }

// ReadFile reads a small regular file.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxAnswer {
		return nil, fmt.Errorf("%s: is not a regular file of at most %d bytes", path, maxAnswer)
	}
	return os.ReadFile(path)
}
