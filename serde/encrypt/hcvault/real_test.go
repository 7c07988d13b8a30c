//go:build integration

package hcvault

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestRealVault runs against the Vault that internal/cmd/withvault starts. The
// token may use the key "orders" only.
func TestRealVault(t *testing.T) {
	address := os.Getenv("AVROLINE_TEST_VAULT")
	if address == "" {
		t.Skip("run it by make vault")
	}
	keys := "hcvault://" + address + "/transit/keys/"
	open := func(settings map[string]string) *KMS {
		k, err := New(address, WithConfig(settings))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	byToken := open(map[string]string{"token.id": os.Getenv("AVROLINE_TEST_VAULT_TOKEN")})
	byRole := open(map[string]string{
		"approle.role.id": os.Getenv("AVROLINE_TEST_VAULT_ROLE"), "approle.secret.id": os.Getenv("AVROLINE_TEST_VAULT_SECRET"),
	})
	for name, k := range map[string]*KMS{"token": byToken, "AppRole": byRole} {
		if err := roundTrip(t, k, keys+"orders"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		err := roundTrip(t, k, keys+"other")
		if err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s, without the right: %v", name, err)
		}
	}

	// The lease of AppRole is two seconds. The KMS logs in again.
	time.Sleep(3 * time.Second)
	if err := roundTrip(t, byRole, keys+"orders"); err != nil {
		t.Errorf("after the lease: %v", err)
	}

	// What one client wrapped, the other one unwraps.
	a, err := byToken.GetAEAD(keys + "orders")
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := a.Encrypt([]byte("a key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := byRole.GetAEAD(keys + "orders")
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := b.Decrypt(wrapped, nil); err != nil || string(plain) != "a key" {
		t.Errorf("%q, %v", plain, err)
	}
	wrapped[len(wrapped)-2] ^= 1
	if _, err := b.Decrypt(wrapped, nil); err == nil {
		t.Error("a changed ciphertext was taken")
	}

	wrong := open(map[string]string{"token.id": "hvs.MARKER"})
	if err := roundTrip(t, wrong, keys+"orders"); err == nil || strings.Contains(err.Error(), "MARKER") {
		t.Errorf("a wrong token: %v", err)
	}
}
