package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/compat/compattest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

//go:embed schemas
var schemas embed.FS

// fifthRelease tries a change that would break all readers.
func fifthRelease(ctx context.Context, out io.Writer, reg *registry.Client, p *producer.Producer) error {
	var versions []string
	for i := range 5 {
		text, err := schemas.ReadFile(fmt.Sprintf("schemas/v%d.avsc", i+1))
		if err != nil {
			return err
		}
		versions = append(versions, string(text))
	}
	fifth := versions[4]

	fmt.Fprintln(out, "\nrelease 5, says the check:")
	findings, err := compat.Check(compat.FullTransitive, fifth, versions[:4]...)
	if err != nil {
		return err
	}
	show(out, "v5.avsc", findings)

	// Suppose that a service is built with the fifth release in spite of the
	// check, and starts to write.
	generic, err := serde.NewGeneric(fifth)
	if err != nil {
		return err
	}
	orders := producer.NewTopic(topic, producer.NoKey[avrobin.Record]())
	_, err = orders.Publish(ctx, p, generic.Record(map[string]any{"id": "e", "customer": "eve", "total_cents": "1.00", "tenant": "north"}))
	var refused *registry.IncompatibleError
	if !errors.As(err, &refused) || !errors.Is(err, producer.ErrNotSent) {
		return fmt.Errorf("release 5 was not refused by the registry: %w", err)
	}
	fmt.Fprintf(out, "\nrelease 5, says the registry when it wants to write; nothing is sent:\n")
	for _, f := range once(refused.Findings) {
		printWrapped(out, fmt.Sprintf("%s: %s: %s", f.Path, f.Type, f.Message))
	}

	fmt.Fprintln(out, "\nrelease 5, says the test that its repository has:")
	return testFails(ctx, out, reg, fifth)
}

// testFails runs the usual test of a repository of schemas:
//
//	func TestSchemas(t *testing.T) {
//		compattest.NoBreak(t, "schemas/...", compattest.WithRegistry(reg), compattest.WithLevel(compat.Full))
//	}
//
// The test runs on a folder with the fifth release and prints the failure.
// Without compattest.WithLevel, the subject's own level counts, here
// FULL_TRANSITIVE, and every version is compared.
func testFails(ctx context.Context, out io.Writer, reg *registry.Client, fifth string) error {
	dir, err := os.MkdirTemp("", "evolution")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "order.avsc"), []byte(fifth), 0o600); err != nil {
		return err
	}
	t := &test{ctx: ctx}
	compattest.NoBreak(t, dir, compattest.WithRegistry(reg), compattest.WithLevel(compat.Full))
	if len(t.failures) == 0 {
		return errors.New("release 5 was not refused by the test")
	}
	for _, f := range t.failures {
		printWrapped(out, strings.ReplaceAll(f, dir+"/", ""))
	}
	return nil
}

// test replaces the *testing.T of go test and records its messages.
type test struct {
	testing.TB
	ctx      context.Context
	failures []string
}

func (*test) Helper()                    {}
func (t *test) Context() context.Context { return t.ctx }

func (t *test) Errorf(format string, args ...any) {
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

func (t *test) Fatalf(format string, args ...any) { t.Errorf(format, args...) }

// show prints findings like the check on a developer's machine.
func show(out io.Writer, file string, findings []compat.Finding) {
	for _, f := range once(findings) {
		printWrapped(out, fmt.Sprintf("%s:%d:%d: %s: %s", file, f.Pos.Line, f.Pos.Col, f.Type, f.Message),
			"It breaks "+f.Who+". "+f.Advice)
		if f.Witness != nil {
			fmt.Fprintln(out, "    such as "+f.Witness.JSON)
		}
	}
}

// once removes findings that occur against several versions.
func once(findings []compat.Finding) []compat.Finding {
	type key struct {
		line, col     int
		rule, message string
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(slices.Clone(findings), func(f compat.Finding) bool {
		k := key{f.Pos.Line, f.Pos.Col, f.Type, f.Message}
		again := seen[k]
		seen[k] = true
		return again
	})
}

// printWrapped prints paragraphs in 80 columns. Every line but the first is
// indented.
func printWrapped(out io.Writer, paragraphs ...string) {
	for i, p := range paragraphs {
		line := " "
		if i > 0 {
			line = "   "
		}
		for _, word := range strings.Fields(p) {
			if len(line)+1+len(word) > 80 && strings.TrimSpace(line) != "" {
				fmt.Fprintln(out, line)
				line = "   "
			}
			line += " " + word
		}
		fmt.Fprintln(out, line)
	}
}
