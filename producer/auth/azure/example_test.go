package azure_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/avroline/avroline/producer/auth/azure"
)

// entra answers as Microsoft Entra ID does.
type entra struct{}

func (entra) RoundTrip(r *http.Request) (*http.Response, error) {
	fmt.Println(r.Method, r.URL.Host)
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(`{"token_type":"Bearer","expires_in":3599,"access_token":"eyJhbGciOiJub25lIn0.eyJvaWQiOiJvcmRlcnMifQ."}`)),
	}, nil
}

// A program gives the source to producer.OAuthBearer. The identity comes from
// the environment, as with the SDK of Azure.
func Example() {
	for key, value := range map[string]string{"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "orders", "AZURE_CLIENT_SECRET": "s3cret"} {
		os.Setenv(key, value)
		defer os.Unsetenv(key)
	}
	source, err := azure.New("https://orders.servicebus.windows.net/.default", azure.WithHTTPClient(&http.Client{Transport: entra{}}))
	if err != nil {
		log.Fatal(err)
	}
	token, err := source.Token(context.Background()) // the producer calls Token
	fmt.Println(token.Principal, err)
	// Output:
	// POST login.microsoftonline.com
	// orders <nil>
}
