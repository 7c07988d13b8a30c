package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/internal/rest"
)

// FindVersion returns the newest version of a subject with the same meaning as
// a self-contained schema. Two schemas have the same meaning if their structure
// and their logical types are equal, so that both write the same bytes. Docs,
// aliases and defaults may differ. The version may be registered in parts,
// through references. [Client.Lookup] finds only the exact text.
//
// FindVersion searches the newest 1,000 versions. A request for a list brings
// 1,000 versions at a time. If the registry does not have this list,
// FindVersion reads the versions one by one, 16 at a time. Versions never
// change, so each version is fetched only once. If no version matches, the
// error is [ErrSubjectNotFound] or [ErrSchemaNotFound]. The client caches the
// error for a second, or until this client changes the subject.
func (c *Client) FindVersion(ctx context.Context, subject, schema string) (Version, error) {
	if !c.hooks.answers {
		return c.askFind(ctx, subject, schema)
	}
	return c.hooks.answer(ctx, Answered{Operation: "find_version", Subject: subject}, func(ctx context.Context) (Version, error) { return c.askFind(ctx, subject, schema) })
}

func (c *Client) askFind(ctx context.Context, subject, schema string) (Version, error) {
	err := rest.CheckSubject(subject)
	var v Version
	if err == nil {
		v, err = c.foundVersions.Get(ctx, nil, findKey{subject, schema}, func(ctx context.Context, w *rest.Work) (Version, error) {
			return c.findVersion(ctx, w, subject, schema)
		})
	}
	if err != nil {
		return Version{}, fmt.Errorf("registry: find a version of %q: %w", subject, err)
	}
	return v, nil
}

func (c *Client) findVersion(ctx context.Context, w *rest.Work, subject, schema string) (Version, error) {
	want, err := avsc.Parse("schema", []byte(schema))
	if err != nil {
		return Version{}, err
	}
	numbers, err := c.caller(w, c.writes.knownOfVersion(subject, 0)).Versions(ctx, subject, nil)
	if err != nil {
		return Version{}, err
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	all := len(numbers)
	numbers = numbers[:min(all, maxSearched)]
	unread := 0
	for _, n := range numbers {
		if !c.parts.Known.Contains(partKey{subject, n}) {
			unread++
		}
	}
	if unread > searchedAtOnce {
		c.listVersions(ctx, subject, all)
	}
	s := search{
		match: func(ctx context.Context, i int) (Version, bool, error) {
			return c.sameVersion(ctx, w, subject, numbers[i], want)
		},
		end: len(numbers),
	}
	if v, found, err := s.run(ctx); found || err != nil {
		return v, err
	}
	if all > maxSearched {
		return Version{}, fmt.Errorf("%w among the newest %d of %d versions", ErrSchemaNotFound, maxSearched, all)
	}
	return Version{}, fmt.Errorf("%w among %d versions", ErrSchemaNotFound, all)
}

// maxPages limits the requests of listVersions. The versions of the subject
// come before the versions of longer names with the same prefix.
const maxPages = 3

// listVersions reads all versions of a subject by few requests into the cache
// of versions. If the registry does not have the list, or does not let us read
// the list, listVersions does nothing.
func (c *Client) listVersions(ctx context.Context, subject string, count int) {
	if c.listUnsupported.Load() {
		return
	}
	w := rest.NewWork(ctx)
	w.Once = true // the versions can also be read one by one
	query := listQuery([]ListOption{WithPrefix(subject)})
	query.Set("limit", strconv.Itoa(pageSize))
	read := 0
	for page := range maxPages {
		query.Set("offset", strconv.Itoa(page*pageSize))
		var list []*rest.Answer
		req := rest.Call{Method: http.MethodGet, Path: "/schemas", Query: query.Encode(), Form: rest.FormList}
		err := c.caller(w, rest.NothingWritten).Call(ctx, req, nil, &list)
		var answer *Error
		if errors.As(err, &answer) && answer.Status/100 == 4 {
			c.listUnsupported.Store(true)
		}
		if err != nil {
			return
		}
		for _, a := range list {
			if a == nil {
				continue
			}
			if !strings.HasPrefix(a.Subject, subject) { // Karapace returns all subjects, and Apicurio no subject
				c.listUnsupported.Store(true)
			}
			if a.Subject == subject && a.Version > 0 && a.CheckAvro() == nil {
				c.parts.Known.Add(partKey{subject, a.Version}, a)
				read++
			}
		}
		if len(list) < pageSize || read >= count || c.listUnsupported.Load() {
			return
		}
	}
}

// sameVersion reads a version and reports whether the version means the same as
// want. A deleted version does not match, and neither does a version that our
// parser cannot read.
func (c *Client) sameVersion(ctx context.Context, w *rest.Work, subject string, number int, want *avsc.Schema) (Version, bool, error) {
	a, err := c.part(ctx, w, partKey{subject, number})
	var v Version
	if err == nil {
		v, err = c.asVersion(ctx, w, subject, a)
	}
	if errors.Is(err, ErrVersionNotFound) || errors.Is(err, ErrNotAvro) {
		return Version{}, false, nil
	}
	if err != nil {
		return Version{}, false, err
	}
	got, err := avsc.ParseStored(subject, []byte(v.Schema))
	return v, err == nil && avsc.SameMeaning(want, got), nil
}
