package awskms_test

import (
	"fmt"
	"log"

	"github.com/avroline/avroline/serde/encrypt/awskms"
)

// The settings have the names of Confluent's clients. A program gives the KMS
// to encrypt.WithKMS. The registry's entries name the keys.
func Example() {
	kms, err := awskms.New(awskms.WithConfig(map[string]string{"role.arn": "arn:aws:iam::111122223333:role/orders"}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(kms.Supported("aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234"))
	fmt.Println(kms.Supported("local-kms://key-1"))
	// Output:
	// true
	// false
}
