package redact_test

import (
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/redact"
)

// TestRemove checks that no form of a secret stays in a text.
func TestRemove(t *testing.T) {
	t.Parallel()
	const secret = `p@ss/w"rd&<é> 1`
	for _, shown := range []string{
		secret,
		"p%40ss%2Fw%22rd%26%3C%C3%A9%3E+1",   // in a query
		"p@ss%2Fw%22rd&%3C%C3%A9%3E%201",     // in a path
		"p%40ss%2Fw%22rd&%3C%C3%A9%3E%201",   // in the user info of a URL
		`p@ss/w\"rd\u0026\u003cé\u003e 1`,    // in JSON
		`p@ss/w\"rd&<é> 1`,                   // in JSON of other programs
		"p@ss/w&#34;rd&amp;&lt;é&gt; 1",      // in HTML
		"cEBzcy93InJkJjzDqT4gMQ==",           // in base64
		secret[:14],                          // the text ends here
		"p%40ss%2Fw%22rd&%3C%C3%A9%3E%201, ", // twice
	} {
		text := "before " + shown + " and " + shown + " after"
		for _, form := range redact.Forms(secret) {
			text = redact.Remove(text, form, "x")
		}
		if strings.Contains(text, "rd") || strings.Contains(text, "cEBz") || !strings.HasPrefix(text, "before x") {
			t.Errorf("%q: %q", shown, text)
		}
	}
	if got := redact.Remove("nothing here", "", "x"); got != "nothing here" || redact.Forms("") != nil {
		t.Errorf("no secret: %q", got)
	}
}
