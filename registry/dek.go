package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/registry/internal/rest"
)

// This file is the client of Confluent's DEK registry, which holds the wrapped
// keys of field encryption. The client caches no key. The caller caches keys by
// its own rules. The answers hold key material, so no error and no log line
// quotes an answer. The errors are ErrKeyNotFound and *Error. Error.Conflict
// reports a lost race.

// KEK returns a key encryption key by its name. If deleted is true, KEK also
// finds a softly deleted key.
func (c *Client) KEK(ctx context.Context, name string, deleted bool) (contract.KEK, error) {
	var kek contract.KEK
	req := rest.Call{Method: http.MethodGet, Path: kekPath(name), Query: deletedQuery(deleted, nil)}
	if err := c.callKeys(ctx, req, nil, &kek); err != nil {
		return contract.KEK{}, fmt.Errorf("registry: key encryption key %q: %w", name, err)
	}
	return kek, nil
}

// CreateKEK registers a key encryption key and returns the registry's entry.
func (c *Client) CreateKEK(ctx context.Context, kek contract.KEK) (contract.KEK, error) {
	var made contract.KEK
	if err := c.callKeys(ctx, rest.Call{Method: http.MethodPost, Path: keksPath}, kek, &made); err != nil {
		return contract.KEK{}, fmt.Errorf("registry: create the key encryption key %q: %w", kek.Name, err)
	}
	return made, nil
}

// DEK returns a data encryption key of a subject. Versions count from 1, and
// version -1 is the latest. If deleted is true, DEK also finds a softly deleted
// key.
func (c *Client) DEK(ctx context.Context, kek, subject string, version int, algorithm string, deleted bool) (contract.DEK, error) {
	at := strconv.Itoa(version)
	if version < 0 {
		at = rest.LatestVersion
	}
	query := url.Values{}
	if algorithm != "" {
		query.Set("algorithm", algorithm)
	}
	var dek contract.DEK
	req := rest.Call{
		Method: http.MethodGet, Path: dekPath(kek, subject) + "/versions/" + at, Query: deletedQuery(deleted, query),
	}
	err := c.callKeys(ctx, req, nil, &dek)
	if err == nil {
		err = checkDEK(dek, version, algorithm)
	}
	if err != nil {
		return contract.DEK{}, fmt.Errorf("registry: data encryption key of %q under %q: %w", subject, kek, err)
	}
	return dek, nil
}

// CreateDEK registers a data encryption key and returns the registry's entry.
// For a shared KEK the registry makes the key. The client never sends the key
// in clear.
func (c *Client) CreateDEK(ctx context.Context, dek contract.DEK) (contract.DEK, error) {
	kek := dek.KEKName
	dek.KEKName, dek.KeyMaterial = "", ""
	var made contract.DEK
	err := c.callKeys(ctx, rest.Call{Method: http.MethodPost, Path: dekPath(kek, dek.Subject)}, dek, &made)
	if rest.IsStatus(err, http.StatusMethodNotAllowed) { // a registry before 8.0
		err = c.callKeys(ctx, rest.Call{Method: http.MethodPost, Path: kekPath(kek) + "/deks"}, dek, &made)
	}
	if err == nil {
		err = checkDEK(made, dek.Version, dek.Algorithm)
	}
	if err != nil {
		return contract.DEK{}, fmt.Errorf("registry: create a data encryption key of %q under %q: %w", dek.Subject, kek, err)
	}
	return made, nil
}

// checkDEK refuses an answer with another key than the client asked for, for
// example from a cache that ignores the query. Other readers could not decrypt
// records of this key. A version below 1 and an empty algorithm match any key,
// in the question and in the answer.
func checkDEK(dek contract.DEK, version int, algorithm string) error {
	if version > 0 && dek.Version != 0 && dek.Version != version {
		return fmt.Errorf("asked for version %d, the registry answered with version %d", version, dek.Version)
	}
	if algorithm != "" && dek.Algorithm != "" && dek.Algorithm != algorithm {
		return fmt.Errorf("asked for algorithm %s, the registry answered with %s", algorithm, rest.Quote(dek.Algorithm, 40))
	}
	return nil
}

// callKeys makes a call whose answer contains key material.
func (c *Client) callKeys(ctx context.Context, req rest.Call, in, out any) error {
	req.Form, req.Secret = rest.FormKey, true
	return c.freshCaller(ctx).Call(ctx, req, in, out)
}

const keksPath = "/dek-registry/v1/keks"

func kekPath(name string) string { return keksPath + "/" + url.PathEscape(name) }

func dekPath(kek, subject string) string { return kekPath(kek) + "/deks/" + url.PathEscape(subject) }

func deletedQuery(deleted bool, query url.Values) string {
	if query == nil {
		query = url.Values{}
	}
	query.Set("deleted", strconv.FormatBool(deleted))
	return query.Encode()
}
