package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry/internal/rest"
)

// Between returns the versions of a subject between the one that has the schema
// of writer and the version reader, both included, oldest first. Migration
// rules of these versions carry a record from one to the other. The schema of
// writer is found by its ID, or by its GUID if the ID is 0. If several versions
// have the schema, the newest one counts. Softly deleted versions are included.
// If no version of the newest 1,000 has the schema, the error is
// [ErrSchemaNotFound].
func (c *Client) Between(ctx context.Context, subject string, writer Version, reader int) ([]Version, error) {
	v, err := c.between(ctx, subject, writer, reader)
	if err != nil {
		return nil, fmt.Errorf("registry: versions of %q up to %d: %w", subject, reader, err)
	}
	return v, nil
}

func (c *Client) between(ctx context.Context, subject string, writer Version, reader int) ([]Version, error) {
	if err := rest.CheckSubject(subject); err != nil {
		return nil, err
	}
	w := rest.NewWork(ctx)
	numbers, err := c.caller(w, c.writes.knownOfVersion(subject, 0)).Versions(ctx, subject, listQuery([]ListOption{IncludeDeleted()}))
	if err != nil {
		return nil, err
	}
	slices.Sort(numbers)
	var newest []Version // from the newest version down to the writer's version
	end := max(0, len(numbers)-maxSearched)
	for i := len(numbers) - 1; i >= end; i-- {
		v, err := c.anyVersion(ctx, w, subject, numbers[i])
		if errors.Is(err, ErrVersionNotFound) || errors.Is(err, ErrNotAvro) {
			continue
		}
		if err != nil {
			return nil, err
		}
		newest = append(newest, v)
		if writer.ID != 0 && v.ID == writer.ID || writer.ID == 0 && writer.GUID != uuid.Nil && v.GUID == writer.GUID {
			return c.rangeTo(ctx, w, subject, newest, numbers[:i], reader)
		}
	}
	return nil, fmt.Errorf("%w: no version has the schema of the message", ErrSchemaNotFound)
}

// rangeTo returns the versions from the last one of newest to the version
// reader, oldest first. older are the numbers of the versions before.
func (c *Client) rangeTo(ctx context.Context, w *rest.Work, subject string, newest []Version, older []int, reader int) ([]Version, error) {
	from := newest[len(newest)-1].Version
	out := slices.DeleteFunc(newest, func(v Version) bool { return v.Version > max(from, reader) })
	for i := len(older) - 1; i >= 0 && older[i] >= reader; i-- {
		v, err := c.anyVersion(ctx, w, subject, older[i])
		if errors.Is(err, ErrVersionNotFound) || errors.Is(err, ErrNotAvro) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	slices.Reverse(out)
	return out, nil
}

// anyVersion returns a version that may be softly deleted.
func (c *Client) anyVersion(ctx context.Context, w *rest.Work, subject string, number int) (Version, error) {
	a, err := c.anyPart(ctx, w, partKey{subject, number})
	if err != nil {
		return Version{}, err
	}
	return c.asVersion(ctx, w, subject, a)
}
