// Package redact removes secrets from texts of servers and of client libraries.
// Packages registry and producer share it.
package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Forms returns a secret and the forms in which a server may repeat the secret:
// in a URL, in JSON, in HTML and in base64. An empty secret has no forms.
func Forms(secret string) []string {
	if secret == "" {
		return nil
	}
	userinfo := strings.TrimPrefix(url.UserPassword("", secret).String(), ":")
	forms := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), userinfo, html.EscapeString(secret),
		inJSON(secret, true), inJSON(secret, false), base64.StdEncoding.EncodeToString([]byte(secret)),
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) }) // the longest form first
	return slices.Compact(forms)
}

// inJSON returns a text as a string of JSON, without the quotes.
func inJSON(text string, escapeHTML bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	if e.Encode(text) != nil {
		return text
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(b.String(), "\n"), `"`), `"`)
}

// Remove replaces a secret in a text by mask. A text may cut a secret, so
// Remove also replaces the beginning of a secret if the text has at least
// twelve characters of the secret. An empty secret changes nothing.
func Remove(text, secret, mask string) string {
	const enough = 12
	begin := secret[:min(len(secret), enough)]
	if secret == "" || !strings.Contains(text, begin) {
		return text
	}
	var b strings.Builder
	for {
		i := strings.Index(text, begin)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		n := len(begin)
		for n < len(secret) && i+n < len(text) && text[i+n] == secret[n] {
			n++
		}
		b.WriteString(text[:i])
		b.WriteString(mask)
		text = text[i+n:]
	}
}

// WebTokens replaces every JSON Web Token in a text by mask.
func WebTokens(text, mask string) string { return webToken.ReplaceAllString(text, mask) }

var webToken = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){0,4}`)
