package hcvault_test

import (
	"fmt"
	"log"

	"github.com/avroline/avroline/serde/encrypt/hcvault"
)

// The KMS has the keys of one Vault, because its token must not go to another
// address. A program gives the KMS to encrypt.WithKMS.
func Example() {
	kms, err := hcvault.New("https://vault.example.com:8200", hcvault.WithConfig(map[string]string{
		"approle.role.id": "orders", "approle.secret.id": "a secret",
	}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(kms.Supported("hcvault://https://vault.example.com:8200/transit/keys/orders"))
	fmt.Println(kms.Supported("hcvault://https://other.example.com:8200/transit/keys/orders"))
	// Output:
	// true
	// false
}
