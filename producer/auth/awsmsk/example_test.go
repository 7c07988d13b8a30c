package awsmsk_test

import (
	"context"
	"fmt"
	"log"

	"github.com/avroline/avroline/producer/auth/awsmsk"
)

// fixed gives credentials of the program, for example from a vault.
type fixed awsmsk.Credentials

func (f fixed) Credentials(context.Context) (awsmsk.Credentials, error) {
	return awsmsk.Credentials(f), nil
}

// A program gives the source to producer.OAuthBearer. By default the
// credentials come from the environment, as with the SDKs of AWS.
func Example() {
	source, err := awsmsk.New("eu-central-1", awsmsk.WithCredentials(fixed{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "s3cret"}))
	if err != nil {
		log.Fatal(err)
	}
	token, err := source.Token(context.Background()) // the producer calls Token
	fmt.Println(token.Value != "", err)
	// Output: true <nil>
}
