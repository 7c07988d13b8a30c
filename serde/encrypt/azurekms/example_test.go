package azurekms_test

import (
	"fmt"
	"log"

	"github.com/avroline/avroline/serde/encrypt/azurekms"
)

// The settings have the names of Confluent's clients. A program gives the KMS
// to encrypt.WithKMS. The registry's entries name the keys.
func Example() {
	kms, err := azurekms.New(azurekms.WithConfig(map[string]string{
		"tenant.id": "my-tenant", "client.id": "my-client", "client.secret": "a secret",
	}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(kms.Supported("azure-kms://https://orders.vault.azure.net/keys/orders/0123456789abcdef"))
	fmt.Println(kms.Supported("local-kms://key-1"))
	// Output:
	// true
	// false
}
