package rest

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Request is a request to the registry, for an [Observer].
type Request struct {
	// Method and Route are the HTTP method and the path, with names in the
	// place of ids and subjects: "GET" and "/schemas/ids/{id}". There are a few
	// dozen routes.
	Method, Route string
	// Path is the path of the request, such as "/schemas/ids/7".
	Path string
}

// Response is the end of a request to the registry, for an [Observer].
type Response struct {
	// URL is the last URL that was tried, without credentials and path.
	URL string
	// Status is the status of the last answer, or 0 if there was no answer.
	Status int
	// Attempts counts the HTTP requests. URLs counts the different URLs among
	// them.
	Attempts, URLs int
	Took           time.Duration
	Err            error
}

// Observer sees the requests of a transport. Each function may be nil.
type Observer struct {
	Start func(ctx context.Context, r Request) context.Context
	End   func(ctx context.Context, r Request, e Response)
}

// attemptCount counts the attempts of a request. A nil attemptCount counts
// nothing.
type attemptCount struct {
	attempts int
	urls     []string
	status   int
}

func (t *attemptCount) note(url string, err error) {
	if t == nil {
		return
	}
	t.attempts++
	for i, u := range t.urls {
		if u == url {
			t.urls = append(t.urls[:i], t.urls[i+1:]...)
			break
		}
	}
	t.urls = append(t.urls, url)
	var answer *Error
	switch {
	case err == nil:
		t.status = 200
	case errors.As(err, &answer):
		t.status = answer.Status
	default:
		t.status = 0
	}
}

func (t *attemptCount) response(err error) Response {
	e := Response{Status: t.status, Attempts: t.attempts, URLs: len(t.urls), Err: err}
	if len(t.urls) > 0 {
		e.URL = t.urls[len(t.urls)-1]
	}
	return e
}

// route returns a path with names in the place of its variable parts.
func route(path string) string {
	var out strings.Builder
	last := ""
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch name := variables[last]; {
		case name != "":
			segment, last = name, ""
		case !fixed[segment]:
			segment, last = "{other}", ""
		default:
			last = segment
		}
		out.WriteString("/" + segment)
	}
	return out.String()
}

// variables has the name of the part that follows a fixed part of a path.
//
//nolint:gochecknoglobals // a table, never changed
var variables = map[string]string{
	"ids": "{id}", "guids": "{guid}", "subjects": "{subject}", "versions": "{version}", "config": "{subject}", "mode": "{subject}",
	"keks": "{kek}", "deks": "{subject}", "resources": "{resource}",
}

// fixed are the fixed parts of the paths of the registry's API.
//
//nolint:gochecknoglobals // a table, never changed
var fixed = map[string]bool{
	"schemas": true, "ids": true, "guids": true, "subjects": true, "versions": true, "config": true, "mode": true, "schema": true,
	"metadata": true, "referencedby": true, "compatibility": true, "contexts": true, "associations": true, "resources": true,
	"dek-registry": true, "v1": true, "keks": true, "deks": true, "types": true,
}
