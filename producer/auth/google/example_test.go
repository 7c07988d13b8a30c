package google_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/avroline/avroline/producer/auth/google"
)

// accounts answers as Google's token endpoint does.
type accounts struct{}

func (accounts) RoundTrip(r *http.Request) (*http.Response, error) {
	fmt.Println(r.Method, r.URL.Host)
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(`{"access_token":"ya29.example","expires_in":3600,"token_type":"Bearer"}`)),
	}, nil
}

// A program gives the source to producer.OAuthBearer. The identity comes from
// the environment, as with the SDK of Google Cloud. The credentials of a user
// name no account, so the program names the account.
func Example() {
	dir, err := os.MkdirTemp("", "google")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "credentials.json")
	text := `{"type":"authorized_user","client_id":"id","client_secret":"s3cret","refresh_token":"r3fresh"}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		log.Fatal(err)
	}
	os.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	defer os.Unsetenv("GOOGLE_APPLICATION_CREDENTIALS")

	source, err := google.New(google.WithPrincipal("ada@example.com"), google.WithHTTPClient(&http.Client{Transport: accounts{}}))
	if err != nil {
		log.Fatal(err)
	}
	token, err := source.Token(context.Background()) // the producer calls Token
	fmt.Println(token.Principal, err)
	// Output:
	// POST oauth2.googleapis.com
	// ada@example.com <nil>
}
