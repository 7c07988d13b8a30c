package contract_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/avroline/avroline/registry/contract"
)

// TestDEKHidesTheKey prints a data key in every way that a Formatter can see.
// (Package fmt asks no Formatter for %p.) The key in clear must not appear.
func TestDEKHidesTheKey(t *testing.T) {
	t.Parallel()
	const key = "hUnTeR2"
	d := contract.DEK{KEKName: "k", Subject: "s", Version: 2, Algorithm: "AES256_GCM", KeyMaterial: key}
	pointer := &d
	var texts []string
	for _, verb := range "vdsqxXobcegfUtT" {
		for _, flag := range []string{"", "+", "#"} {
			for _, v := range []any{d, &d, &pointer, []contract.DEK{d}, map[string]*contract.DEK{"k": &d}, struct{ D contract.DEK }{d}, d.KeyMaterial} {
				texts = append(texts, fmt.Sprintf("%"+flag+string(verb), v))
			}
		}
	}
	encoded, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "d", d, "p", &d)
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "d", d, "p", &d)
	for _, text := range append(texts, string(encoded), log.String()) {
		if strings.Contains(text, key) || strings.Contains(text, fmt.Sprintf("%x", key)) || strings.Contains(text, fmt.Sprintf("%X", key)) {
			t.Errorf("the key appears in %s", text)
		}
	}
	var back contract.DEK
	if err := json.Unmarshal([]byte(`{"keyMaterial":"`+key+`"}`), &back); err != nil || back.KeyMaterial != key {
		t.Errorf("an answer of the registry is read as %q, %v", string(back.KeyMaterial), err)
	}
}
