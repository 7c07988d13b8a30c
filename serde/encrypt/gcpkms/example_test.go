package gcpkms_test

import (
	"fmt"
	"log"

	"github.com/avroline/avroline/serde/encrypt/gcpkms"
)

// The credentials are Google's Application Default Credentials. A program gives
// the KMS to encrypt.WithKMS. The registry's entries name the keys.
func Example() {
	kms, err := gcpkms.New()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(kms.Supported("gcp-kms://projects/p/locations/europe-west1/keyRings/r/cryptoKeys/orders"))
	fmt.Println(kms.Supported("local-kms://key-1"))
	// Output:
	// true
	// false
}
