package settings

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/configfile"
)

// TestNamesOfFiles checks the list of keys in package configfile. The package
// knows the owner of every key without importing this package. The flag -update
// rewrites the producer's list.
func TestNamesOfFiles(t *testing.T) {
	t.Parallel()
	var producer, consumer, secret []string
	for _, s := range Table() {
		for _, name := range s.Names() {
			switch {
			case s.GoOnly:
			case s.passed == toConsumer:
				consumer = append(consumer, name)
			default:
				producer = append(producer, name)
			}
			if s.Show == Secret {
				secret = append(secret, name)
			}
		}
	}
	slices.Sort(producer)
	if *update {
		const list = "../../../internal/configfile/names.go"
		b, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, _ := strings.Cut(string(b), "const producerNames = `\n")
		_, after, _ := strings.Cut(rest, "`")
		text := before + "const producerNames = `\n" + strings.Join(producer, "\n") + "\n`" + after
		if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(producer, configfile.Names(configfile.Producer)); diff != "" {
		t.Errorf("configfile.producerNames: -want +got\n%s", diff)
	}
	for _, name := range append(consumer, DecidedByProcessor()...) {
		if configfile.OwnerOf(name) != configfile.Consumer {
			t.Errorf("%s: not in configfile.consumerNames", name)
		}
	}
	for _, name := range secret {
		if !configfile.Secret(name) {
			t.Errorf("%s: not in configfile.secretNames", name)
		}
	}
}
