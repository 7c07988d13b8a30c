package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/internal/rest"
)

// maxReferences limits the depth of references, and maxParts their number.
const (
	maxReferences = 32
	maxParts      = 1000
)

// resolved returns text with the referenced types included, so that the schema
// is self-contained. resolved follows the references of references, and fetches
// a shared part only once.
func (c *Client) resolved(ctx context.Context, w *rest.Work, subject, text string, refs []Reference) (string, error) {
	if len(refs) == 0 {
		return text, nil
	}
	r := resolution{client: c, work: w, seen: make(map[partKey]bool), names: make(map[string]bool)}
	if err := r.add(ctx, rest.ContextOf(subject), refs, nil); err != nil {
		return "", err
	}
	set, err := avsc.ParseSet(append(r.sources, avsc.Source{Name: "schema", Text: []byte(text), Stored: true})...)
	if err != nil {
		return "", fmt.Errorf("schema and references do not fit together: %w", err)
	}
	root := set.Files[len(set.Files)-1].Root
	if root == nil {
		return "", errors.New("this is a protocol, not a schema")
	}
	return root.Text(), nil
}

// part returns a version in the form of the registry's answer.
func (c *Client) part(ctx context.Context, w *rest.Work, key partKey) (*rest.Answer, error) {
	if err := rest.CheckSubject(key.subject); err != nil {
		return nil, err
	}
	if key.version < 1 {
		return nil, fmt.Errorf("%d is not a version: they count from 1", key.version)
	}
	return c.parts.Get(ctx, w, key, func(ctx context.Context, w *rest.Work) (*rest.Answer, error) {
		return c.caller(w, c.writes.knownOfVersion(key.subject, key.version)).Version(ctx, key.subject, key.version)
	})
}

// anyPart is part for a version that may be softly deleted. The messages of a
// deleted schema, and their references, stay readable.
func (c *Client) anyPart(ctx context.Context, w *rest.Work, key partKey) (*rest.Answer, error) {
	a, err := c.part(ctx, w, key)
	if errors.Is(err, ErrVersionNotFound) || errors.Is(err, ErrSubjectNotFound) {
		if deleted, err := c.caller(w, rest.NothingWritten).DeletedVersion(ctx, key.subject, key.version); err == nil {
			return deleted, nil
		}
	}
	return a, err
}

// resolution collects the parts of a schema.
type resolution struct {
	client  *Client
	work    *rest.Work
	sources []avsc.Source
	seen    map[partKey]bool
	names   map[string]bool // of the references so far
}

// add collects refs and the references of refs. If a reference has no context,
// the context of the referring schema counts. above is the path from the top
// schema.
//
// Of several references with one name, the first one counts, as in Java. For
// example, an order refers to version 2 of a price and to a cart, and the cart
// still refers to version 1 of the price.
func (r *resolution) add(ctx context.Context, context string, refs []Reference, above []partKey) error {
	if len(above) >= maxReferences {
		return fmt.Errorf("references are more than %d deep", maxReferences)
	}
	for _, ref := range refs {
		key := partKey{rest.InContext(context, ref.Subject), ref.Version}
		for _, k := range above {
			if k == key {
				return fmt.Errorf("references go in a circle through version %d of %q", key.version, key.subject)
			}
		}
		if r.seen[key] || r.names[ref.Name] {
			continue
		}
		r.seen[key], r.names[ref.Name] = true, ref.Name != ""
		if len(r.seen) > maxParts {
			return fmt.Errorf("more than %d references", maxParts)
		}
		part, err := r.client.anyPart(ctx, r.work, key)
		if err != nil {
			return fmt.Errorf("reference to %s, version %d of %q: %w", rest.Quote(ref.Name, rest.MaxQuote), key.version, key.subject, err)
		}
		if err := r.add(ctx, rest.ContextOf(key.subject), part.References, append(above[:len(above):len(above)], key)); err != nil {
			return err
		}
		r.sources = append(r.sources, avsc.Source{
			Name: fmt.Sprintf("version %d of %s", key.version, key.subject),
			Text: []byte(part.Schema), Stored: true,
		})
	}
	return nil
}

// writesAlike reports whether two texts write the same bytes with the same
// meaning. A registry may answer with an older text that differs in docs or
// aliases. If our parser cannot read the texts, writesAlike returns true,
// because the registry accepted both texts.
func writesAlike(a, b string) bool {
	if a == b {
		return true
	}
	x, errA := avsc.ParseStored("", []byte(a))
	y, errB := avsc.ParseStored("", []byte(b))
	if errA != nil || errB != nil {
		return errA != nil && errB != nil
	}
	return avsc.SameMeaning(x, y)
}
