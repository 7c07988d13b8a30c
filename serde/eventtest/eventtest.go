// Package eventtest gives tests the values of every older version of a schema.
// The test of a consumer reads the values. So the consumer is tested with all
// data that may still be in a topic.
//
//	for _, v := range eventtest.Versions(t, "../schemas/orders") {
//		for _, message := range v.Messages() { … }
//	}
package eventtest

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avrosample"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/check"
	"github.com/avroline/avroline/registry"
)

// Version is one version of a schema with values that were written with it.
type Version struct {
	// Label names the version: a tag, a commit, a file of a folder, or a
	// version of a subject.
	Label string
	// Schema is the self-contained text of the writer schema.
	Schema string
	// ID is the id of the schema in the registry. It is 0 without a registry.
	ID int
	// Values are the values in Avro binary, without any prefix.
	Values [][]byte

	fingerprint uint64
	isBytes     bool // the schema is of type bytes
}

// Messages returns the values as messages. With an ID, a message begins with
// the magic byte 0 and the ID, and a Deserializer of that registry reads it.
// Without an ID, a message is in single-object encoding, and a Deserializer
// with serde.WithSchemas(v.Schema) reads it.
func (v Version) Messages() [][]byte {
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(v.ID))
	if v.ID == 0 {
		prefix = binary.LittleEndian.AppendUint64([]byte{0xC3, 0x01}, v.fingerprint)
	}
	messages := make([][]byte, len(v.Values))
	for i, data := range v.Values {
		if v.isBytes && v.ID != 0 { // Confluent's framing leaves the length out
			_, width := binary.Varint(data)
			data = data[width:]
		}
		messages[i] = slices.Concat(prefix, data)
	}
	return messages
}

// Registry is the part of a registry client that this package uses.
// *registry.Client implements Registry.
type Registry interface {
	check.Registry
	Register(ctx context.Context, subject string, s registry.Schema) (registry.Version, error)
}

// Option controls [Versions]. The zero Option does nothing.
type Option struct{ set func(*config) }

type config struct {
	registry Registry
	target   Registry // of WithRegisterIn
	subject  string
	tags     string
	typeName string
	count    int
	seed     uint64
	err      error
}

// WithRegistry reads the versions of a subject from a registry. The first
// argument of Versions is then the subject. The client is a *registry.Client.
func WithRegistry(client Registry) Option {
	return Option{func(c *config) {
		if c.registry = client; client == nil {
			c.err = errors.New("WithRegistry(nil): give a registry client")
		}
	}}
}

// WithTags takes the commits with a tag that matches the pattern, such as "v*",
// instead of every commit. Use WithTags if only tagged versions were ever
// deployed.
func WithTags(pattern string) Option {
	return Option{func(c *config) {
		if c.tags = pattern; pattern == "" {
			c.err = errors.New(`WithTags(""): give a pattern, such as "v*"`)
		}
	}}
}

// WithType names the type by its full name, as in "shop.Order". It is needed if
// the folder has several types that no other type refers to.
func WithType(fullName string) Option {
	return Option{func(c *config) { c.typeName = fullName }}
}

// WithRegisterIn registers every version under a subject, oldest first, and
// sets ID. The registry must not hold versions that the new ones would break:
// use one of registrytest, with the compatibility level NONE if history has a
// break.
func WithRegisterIn(client Registry, subject string) Option {
	return Option{func(c *config) {
		if c.target, c.subject = client, subject; client == nil || subject == "" {
			c.err = fmt.Errorf("WithRegisterIn(%v, %q): give a registry client and a subject", client, subject)
		}
	}}
}

// WithCount sets the least number of values of each version. The default is 20.
// There are more values if the branches and symbols of a version need more.
func WithCount(n int) Option {
	return Option{func(c *config) {
		if c.count = n; n < 1 {
			c.err = fmt.Errorf("WithCount(%d): give at least 1", n)
		}
	}}
}

// WithSeed makes other values. The default is 1. Each seed always gives the
// same values.
func WithSeed(seed uint64) Option {
	return Option{func(c *config) { c.seed = seed }}
}

// Versions returns every version of a schema, oldest first, with values of
// each. The values of a version have every branch of every union, every symbol
// of every enum, and lists with and without elements.
//
// With [WithRegistry], of is a subject. Otherwise of is a path, relative to the
// folder of the test:
//
//   - A file, a folder or folder/... with schemas in a git repository. The
//     versions are the texts of the schema in the commits of HEAD, and the text
//     in the work tree. A type that was renamed with an alias is followed.
//   - A folder of versions: its files or folders define the type differently,
//     as in v1.avsc and v2.avsc. They are in the order of their names.
//
// If the versions cannot be read, the test ends. The test ends in
// a shallow clone too, because a shallow clone has no history.
func Versions(t testing.TB, of string, opts ...Option) []Version {
	t.Helper()
	c := config{count: 20, seed: 1}
	for _, o := range opts {
		if o.set != nil {
			o.set(&c)
		}
	}
	versions, notes, err := c.versions(t.Context(), of)
	if err != nil {
		t.Fatalf("eventtest: %s: %v", cmp.Or(of, `""`), err)
	}
	for _, note := range notes {
		t.Logf("eventtest: %s: %s", of, note)
	}
	return versions
}

func (c *config) versions(ctx context.Context, of string) (versions []Version, notes []string, err error) {
	if c.err != nil {
		return nil, nil, c.err
	}
	editions, notes, err := c.editions(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	for i, e := range editions {
		v := Version{Label: e.Label, Schema: e.Schema.Text(), ID: e.ID, fingerprint: e.Schema.Fingerprint(), isBytes: e.Schema.Kind == avsc.Bytes}
		r := rand.New(rand.NewPCG(c.seed, uint64(i))) //nolint:gosec // the values are to be the same again
		if v.Values, err = avrosample.Every(r, e.Schema, c.count); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", e.Label, err)
		}
		if c.target != nil {
			in, err := c.target.Register(ctx, c.subject, registry.Schema{Text: v.Schema})
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", e.Label, err)
			}
			v.ID = in.ID
		}
		versions = append(versions, v)
	}
	return versions, notes, nil
}

// editions returns the versions of the one schema that the options select.
func (c *config) editions(ctx context.Context, of string) ([]check.Edition, []string, error) {
	if c.registry != nil {
		if c.tags != "" || c.typeName != "" {
			return nil, nil, errors.New("WithRegistry reads a subject: leave WithTags and WithType out")
		}
		editions, err := check.SubjectHistory(ctx, c.registry, of)
		return editions, nil, err
	}
	now, history, err := c.history(ctx, of)
	if err != nil {
		return nil, nil, err
	}
	s, err := c.schema(now)
	if err != nil {
		return nil, nil, err
	}
	editions := history.Editions[s]
	for i := range editions {
		editions[i].Label = cmp.Or(editions[i].Label, "work tree")
	}
	return editions, history.Skipped, nil
}

// history reads a tree of git or a folder of versions. In a folder of versions,
// the files define a type differently and cannot be read together.
func (c *config) history(ctx context.Context, of string) (*avsc.Set, *check.History, error) {
	dir := strings.TrimSuffix(filepath.ToSlash(of), "/...")
	now, err := avscfile.Load(of)
	var mistakes avsc.Errors
	if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() && c.tags == "" {
		if _, deepErr := avscfile.Load(dir + "/..."); errors.As(deepErr, &mistakes) {
			if set, history, folderErr := check.FolderHistory(avscfile.Loader{}, dir); folderErr == nil && severalVersions(history) {
				return set, history, nil
			}
		}
	}
	if errors.As(err, &mistakes) && dir == of {
		now, err = avscfile.Loader{}.LoadWithNeeded(of)
	}
	if err != nil {
		return nil, nil, err
	}
	history, err := check.GitHistory(ctx, check.Options{}, c.tags, now, of)
	return now, history, err
}

func severalVersions(h *check.History) bool {
	for _, editions := range h.Editions {
		if len(editions) > 1 {
			return true
		}
	}
	return false
}

// schema returns the type of WithType. Without WithType, it is the only schema
// that no other schema refers to.
func (c *config) schema(now *avsc.Set) (*avsc.Schema, error) {
	if c.typeName != "" {
		if s := now.Type(c.typeName); s != nil {
			return s, nil
		}
	}
	var names []string
	var roots []*avsc.Schema
	inside := parts(now)
	for _, f := range now.Files {
		for _, s := range f.Schemas {
			if !slices.Contains(roots, s) && !inside[s] {
				roots = append(roots, s)
				names = append(names, cmp.Or(s.Name, f.Name))
			}
		}
	}
	switch {
	case c.typeName != "":
		return nil, fmt.Errorf("no type %s: the types are %s", c.typeName, strings.Join(names, ", "))
	case len(roots) == 1:
		return roots[0], nil
	case len(roots) == 0:
		return nil, errors.New("every type is part of another one: name the type with WithType")
	}
	return nil, fmt.Errorf("there are several types: name one with WithType: %s", strings.Join(names, ", "))
}

// parts returns the named types inside the schemas of other types.
func parts(set *avsc.Set) map[*avsc.Schema]bool {
	inside := map[*avsc.Schema]bool{}
	for _, f := range set.Files {
		for _, top := range f.Schemas {
			top.Walk(func(s *avsc.Schema) {
				if s != top && s.Kind.Named() {
					inside[s] = true
				}
			})
		}
	}
	return inside
}
