package registrytest

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/avroline/avroline/registry/contract"
)

// keyStore is the DEK registry. Its keys encrypt fields, and are themselves
// wrapped by keys outside the registry.
type keyStore struct {
	mu   sync.Mutex
	keks map[string]*contract.KEK
	deks map[dekKey][]*dek // in ascending order of version
}

type dekKey struct{ kek, subject, algorithm string }

// dek is a data key in the form of the store and of the answers. [contract.DEK]
// cannot be used, because it would hide the key.
type dek struct {
	KEKName              string `json:"kekName"`
	Subject              string `json:"subject"`
	Version              int    `json:"version"`
	Algorithm            string `json:"algorithm"`
	EncryptedKeyMaterial string `json:"encryptedKeyMaterial,omitempty"`
	KeyMaterial          string `json:"keyMaterial,omitempty"`
	Timestamp            int64  `json:"ts"`
	Deleted              bool   `json:"deleted,omitempty"`
}

func newKeyStore() *keyStore {
	return &keyStore{keks: map[string]*contract.KEK{}, deks: map[dekKey][]*dek{}}
}

func noKey(name string) *problem {
	return &problem{http.StatusNotFound, 40470, fmt.Sprintf("Key '%s' not found", name)}
}

func keyExists(name string) *problem {
	return &problem{http.StatusConflict, 40971, fmt.Sprintf("Key '%s' already exists; use a different value", name)}
}

func notSoftDeleted(name string) *problem {
	return &problem{http.StatusNotFound, 40471, fmt.Sprintf("Key '%s' was not deleted first before being permanently deleted", name)}
}

// routes adds the DEK registry's part of the API.
func (k *keyStore) routes(route func(pattern string, f func(*http.Request) (any, error))) {
	const keks = "/dek-registry/v1/keks"
	locked := func(pattern string, f func(*http.Request) (any, error)) {
		route(pattern, func(r *http.Request) (any, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			return f(r)
		})
	}
	locked("GET "+keks, k.listKEKs)
	locked("POST "+keks, k.postKEK)
	locked("GET "+keks+"/{kek}", k.getKEK)
	locked("DELETE "+keks+"/{kek}", k.deleteKEK)
	locked("GET "+keks+"/{kek}/deks", k.listDEKs)
	locked("POST "+keks+"/{kek}/deks", k.postDEK)
	locked("POST "+keks+"/{kek}/deks/{subject}", k.postDEK)
	locked("GET "+keks+"/{kek}/deks/{subject}", k.getDEK)
	locked("GET "+keks+"/{kek}/deks/{subject}/versions", k.listVersions)
	locked("GET "+keks+"/{kek}/deks/{subject}/versions/{version}", k.getDEK)
	locked("DELETE "+keks+"/{kek}/deks/{subject}", k.deleteDEKs)
}

func (k *keyStore) kek(r *http.Request) (*contract.KEK, error) {
	name := r.PathValue("kek")
	if kek := k.keks[name]; kek != nil && (!kek.Deleted || boolParam(r, "deleted") || r.Method == http.MethodDelete) {
		return kek, nil
	}
	return nil, noKey(name)
}

func (k *keyStore) listKEKs(r *http.Request) (any, error) {
	names := []string{}
	for name, kek := range k.keks {
		if !kek.Deleted || boolParam(r, "deleted") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (k *keyStore) postKEK(r *http.Request) (any, error) {
	var kek contract.KEK
	if err := json.NewDecoder(r.Body).Decode(&kek); err != nil {
		return nil, &problem{http.StatusBadRequest, http.StatusBadRequest, "Unable to process JSON"}
	}
	switch old := k.keks[kek.Name]; {
	case kek.Name == "" || kek.KMSType == "" || kek.KMSKeyID == "":
		return nil, &problem{http.StatusUnprocessableEntity, 42272, "name, kmsType and kmsKeyId are needed"}
	case old != nil && !(old.Deleted && sameKEK(*old, kek)): // the same key again undeletes the key
		return nil, keyExists(kek.Name)
	}
	kek.Deleted = false
	k.keks[kek.Name] = &kek
	return kek, nil
}

func sameKEK(a, b contract.KEK) bool {
	return a.KMSType == b.KMSType && a.KMSKeyID == b.KMSKeyID && maps.Equal(a.KMSProps, b.KMSProps) && a.Doc == b.Doc && a.Shared == b.Shared
}

func (k *keyStore) getKEK(r *http.Request) (any, error) {
	kek, err := k.kek(r)
	if err != nil {
		return nil, err
	}
	return *kek, nil
}

func (k *keyStore) deleteKEK(r *http.Request) (any, error) {
	kek, err := k.kek(r)
	if err != nil {
		return nil, err
	}
	permanent := boolParam(r, "permanent")
	for key, versions := range k.deks {
		if key.kek == kek.Name && slices.ContainsFunc(versions, func(d *dek) bool { return permanent || !d.Deleted }) {
			return nil, &problem{http.StatusUnprocessableEntity, 42272, fmt.Sprintf("One or more references exist to the key '%s'", kek.Name)}
		}
	}
	if permanent && !kek.Deleted {
		return nil, notSoftDeleted(kek.Name)
	}
	kek.Deleted = true
	if permanent {
		delete(k.keks, kek.Name)
	}
	return map[string]any{}, nil
}

// versions returns the versions of the data key in a request.
func (k *keyStore) versions(r *http.Request) []*dek {
	algorithm := r.URL.Query().Get("algorithm")
	if algorithm == "" {
		algorithm = "AES256_GCM"
	}
	var found []*dek
	for _, d := range k.deks[dekKey{r.PathValue("kek"), r.PathValue("subject"), algorithm}] {
		if !d.Deleted || boolParam(r, "deleted") {
			found = append(found, d)
		}
	}
	return found
}

func (k *keyStore) listDEKs(r *http.Request) (any, error) {
	if _, err := k.kek(r); err != nil {
		return nil, err
	}
	subjects := []string{}
	for key := range k.deks {
		if key.kek == r.PathValue("kek") && !slices.Contains(subjects, key.subject) {
			subjects = append(subjects, key.subject)
		}
	}
	slices.Sort(subjects)
	return subjects, nil
}

func (k *keyStore) listVersions(r *http.Request) (any, error) {
	numbers := []int{}
	for _, d := range k.versions(r) {
		numbers = append(numbers, d.Version)
	}
	if len(numbers) == 0 {
		return nil, noKey(r.PathValue("subject"))
	}
	return numbers, nil
}

func (k *keyStore) getDEK(r *http.Request) (any, error) {
	if _, err := k.kek(r); err != nil {
		return nil, err
	}
	found, at := k.versions(r), r.PathValue("version")
	if len(found) > 0 && (at == "latest" || at == "-1") {
		return found[len(found)-1], nil
	}
	number := 1
	if at != "" {
		number, _ = strconv.Atoi(at)
	}
	for _, d := range found {
		if d.Version == number {
			return d, nil
		}
	}
	return nil, noKey(r.PathValue("subject"))
}

func (k *keyStore) postDEK(r *http.Request) (any, error) {
	kek, err := k.kek(r)
	if err != nil {
		return nil, err
	}
	var d dek
	if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
		return nil, &problem{http.StatusBadRequest, http.StatusBadRequest, "Unable to process JSON"}
	}
	d.KEKName, d.KeyMaterial, d.Timestamp, d.Deleted = kek.Name, "", time.Now().UnixMilli(), false
	if subject := r.PathValue("subject"); subject != "" {
		d.Subject = subject
	}
	d.Version = max(d.Version, 1)
	if d.Algorithm == "" {
		d.Algorithm = "AES256_GCM"
	}
	if (d.EncryptedKeyMaterial == "") != kek.Shared {
		return nil, &problem{http.StatusUnprocessableEntity, 42271, "encryptedKeyMaterial is needed, but for a shared key"}
	}
	if kek.Shared {
		key, err := newKey(d.Algorithm)
		if err != nil {
			return nil, err
		}
		// The wrapped form has no meaning for clients. Clients get the key in
		// clear.
		d.KeyMaterial, d.EncryptedKeyMaterial = key, base64.StdEncoding.EncodeToString([]byte("wrapped "+rand.Text()))
	}
	key := dekKey{d.KEKName, d.Subject, d.Algorithm}
	for _, old := range k.deks[key] {
		if old.Version == d.Version {
			if !old.Deleted || old.EncryptedKeyMaterial != d.EncryptedKeyMaterial {
				return nil, keyExists(d.Subject)
			}
			old.Deleted = false // the same key again undeletes the key
			return old, nil
		}
	}
	k.deks[key] = append(k.deks[key], &d)
	slices.SortFunc(k.deks[key], func(a, b *dek) int { return a.Version - b.Version })
	return &d, nil
}

func (k *keyStore) deleteDEKs(r *http.Request) (any, error) {
	key := dekKey{r.PathValue("kek"), r.PathValue("subject"), cmp.Or(r.URL.Query().Get("algorithm"), "AES256_GCM")}
	found := k.deks[key]
	if len(found) == 0 {
		return nil, noKey(key.subject)
	}
	if boolParam(r, "permanent") {
		if slices.ContainsFunc(found, func(d *dek) bool { return !d.Deleted }) {
			return nil, notSoftDeleted(key.subject)
		}
		delete(k.deks, key)
	}
	for _, d := range found {
		d.Deleted = true
	}
	return map[string]any{}, nil
}

// newKey makes a data key as a registry does for a shared KEK. The result is a
// serialized Tink key in base64: field 3 of AesGcmKey or field 2 of AesSivKey.
func newKey(algorithm string) (string, error) {
	field, size := byte(3), 32
	switch algorithm {
	case "AES128_GCM":
		size = 16
	case "AES256_GCM":
	case "AES256_SIV":
		field, size = 2, 64
	default:
		return "", &problem{http.StatusUnprocessableEntity, 42271, "unknown algorithm " + algorithm}
	}
	key := make([]byte, size)
	if _, err := rand.Read(key); err != nil {
		return "", err
	}
	const lengthDelimited = 2
	return base64.StdEncoding.EncodeToString(append([]byte{field<<3 | lengthDelimited, byte(size)}, key...)), nil
}
