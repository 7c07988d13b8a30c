package catalog_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/catalog"
	"github.com/avroline/avroline/internal/check"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/internal/vectortest"
)

// parse parses sources. Each source is one file.
func parse(t *testing.T, texts ...string) *avsc.Set {
	t.Helper()
	var sources []avsc.Source
	for i, text := range texts {
		sources = append(sources, avsc.Source{Name: fmt.Sprintf("file%d.avsc", i+1), Text: []byte(text), Stored: true})
	}
	set, err := avsc.ParseSet(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// site makes the site and returns its files by name.
func site(t *testing.T, c *catalog.Catalog) map[string][]byte {
	t.Helper()
	files, err := c.HTML()
	if err != nil {
		t.Fatal(err)
	}
	api, err := c.AsyncAPI()
	if err != nil {
		t.Fatal(err)
	}
	return byName(t, append(files, api))
}

// byName returns the files by name. byName also checks that no two names differ
// only in capitals, because some systems treat such names as one file.
func byName(t *testing.T, files []catalog.File) map[string][]byte {
	t.Helper()
	all, folded := map[string][]byte{}, map[string]bool{}
	for _, f := range files {
		if folded[strings.ToLower(f.Path)] {
			t.Errorf("%s is there twice", f.Path)
		}
		folded[strings.ToLower(f.Path)] = true
		all[f.Path] = f.Content
	}
	return all
}

// element is an HTML element. The field inside is true if the element
// contains a text or another element.
type element struct {
	name   string
	attrs  map[string]string
	inside bool
}

// elements reads all elements of a page. The XML decoder with the rules of HTML
// can read the pages, because the pages close every element.
func elements(t *testing.T, name string, page []byte) []*element {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var all, open []*element
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			e := &element{name: strings.ToLower(x.Name.Local), attrs: map[string]string{}}
			for _, a := range x.Attr {
				e.attrs[strings.ToLower(a.Name.Local)] = a.Value
			}
			if len(open) > 0 {
				open[len(open)-1].inside = true
			}
			all, open = append(all, e), append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].inside = true
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("%s: <%s> is not closed", name, open[len(open)-1].name)
	}
	return all
}

// wantSound checks rules for every page. Each link leads to a file or to a
// place of the page. Ids are unique. Headings skip no level. The only scripts
// are the two scripts of the site.
func wantSound(t *testing.T, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		if path.Ext(name) != ".html" {
			continue
		}
		ids, level, h1 := map[string]bool{}, 0, 0
		var links []string
		for _, n := range elements(t, name, content) {
			if id := n.attrs["id"]; id != "" {
				if ids[id] {
					t.Errorf("%s: the id %s is there twice", name, id)
				}
				ids[id] = true
			}
			for key, value := range n.attrs {
				if strings.HasPrefix(key, "on") {
					t.Errorf("%s: a handler %s=%q", name, key, value)
				}
			}
			if href := n.attrs["href"]; href != "" {
				links = append(links, href)
			}
			switch n.name {
			case "script":
				src := path.Base(n.attrs["src"])
				if src != "search.js" && src != "search-index.js" || n.inside {
					t.Errorf("%s: a script of another author: %q", name, n.attrs["src"])
				}
			case "iframe", "img", "object", "embed", "b", "marquee":
				t.Errorf("%s: an element %s", name, n.name)
			case "h1", "h2", "h3", "h4":
				l := int(n.name[1] - '0')
				if l == 1 {
					h1++
				}
				if l > level+1 {
					t.Errorf("%s: <h%d> after <h%d>", name, l, level)
				}
				level = l
			}
		}
		if h1 != 1 {
			t.Errorf("%s has %d h1", name, h1)
		}
		for _, href := range links {
			if strings.HasPrefix(href, "https://") || strings.HasPrefix(href, "http://") {
				continue
			}
			target, fragment, _ := strings.Cut(href, "#")
			if target == "" {
				if !ids[fragment] {
					t.Errorf("%s: no place #%s", name, fragment)
				}
			} else if files[path.Join(path.Dir(name), target)] == nil {
				t.Errorf("%s: a link to %q, which is not there", name, href)
			}
		}
	}
}

// hostile is a text that would run as a script or change the page if a page did
// not escape the text.
const hostile = `</script></code></pre><script>alert(1)</script><img src=x onerror=alert(2)><b>"'` + "`" + `|[x](javascript:alert(3)) javascript:alert(4) \u202e${7*7}{{.}}` + "\r\n# heading\r\n\r\n- item https://example.com/a?b=c&d=e. "

func TestHostileTexts(t *testing.T) {
	t.Parallel()
	q := string(avsc.AppendQuoted(nil, hostile))
	set := parse(t,
		`{"type":"record","name":"shop.Order","doc":`+q+`,"`+"x<script>"+`":`+q+`,"fields":[
			{"name":"a<b>","type":"string","doc":`+q+`,"default":`+q+`,"aliases":["z<script>alert(9)</script>"]},
			{"name":"s","type":{"type":"enum","name":"S","doc":`+q+`,"symbols":["A","B<img src=x>"]}}]}`,
		`{"type":"record","name":"a<script>alert(5)</script>","fields":[{"name":"next","type":["null","a<script>alert(5)</script>"]}]}`)
	old := parse(t, `{"type":"record","name":"shop.Order","fields":[{"name":"gone<script>","type":"string"}]}`)
	history := map[*avsc.Schema][]check.Edition{}
	s := set.Type("shop.Order")
	history[s] = []check.Edition{
		{Label: hostile, Title: hostile, Date: "2026-01-01", Schema: old.Files[0].Root},
		{Label: hostile, Title: hostile, Schema: s},
	}
	c := catalog.New(set, catalog.Options{
		Title: hostile, History: history,
		Subjects:   map[*avsc.Schema][]string{s: {hostile + "-value"}},
		Topics:     map[string][]string{hostile: {"shop.Order"}},
		SourceName: func(string) string { return hostile },
	})
	files := site(t, c)
	wantSound(t, files)
	if bytes.Contains(files["search-index.js"], []byte("<")) {
		t.Error("the search index has a <")
	}
	var api map[string]any
	if err := yaml.Unmarshal(files["asyncapi.yaml"], &api); err != nil {
		t.Error(err)
	}
	for name, content := range byName(t, c.Markdown()) {
		if path.Ext(name) == ".svg" {
			continue
		}
		fence := "" // of the block of code that contains the line
		for i, line := range strings.Split(string(content), "\n") {
			if mark := regexp.MustCompile("^`{3,}").FindString(line); mark != "" && (fence == "" || fence == line) {
				if fence == "" {
					fence = mark
				} else {
					fence = ""
				}
				continue
			}
			if fence != "" {
				continue
			}
			plain := regexp.MustCompile("`+[^`]*`+").ReplaceAllString(line, "")
			if strings.HasPrefix(line, "    ") {
				continue // inside a block of code
			}
			if m := regexp.MustCompile(`<(script|img|b)\b|[^\\]\]\(javascript:`).FindString(plain); m != "" {
				t.Errorf("%s:%d: %q in %q", name, i+1, m, line)
			}
			if strings.Contains(line, "\r") {
				t.Errorf("%s:%d: a line end of Windows", name, i+1)
			}
		}
	}
}

func TestNamesOfFiles(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long", 100)
	var texts []string
	for _, name := range []string{"shop.Order", "shop.order", "SHOP.ORDER", "con", "CON", "aux.Device", "com1.x", "größe.Ä", "größe.Ö", "a/b", `a\b`, long + "A", long + "B"} {
		texts = append(texts, fmt.Sprintf(`{"type":"record","name":%q,"fields":[{"name":"a","type":"int"}]}`, name))
	}
	texts = append(texts, `["int","string"]`, `{"type":"array","items":"shop.Order"}`)
	c := catalog.New(parse(t, texts...), catalog.Options{})
	files := site(t, c)
	wantSound(t, files)
	byName(t, c.Markdown())
	pages := 0
	for name := range files {
		rest, ok := strings.CutPrefix(name, "types/")
		if !ok {
			continue
		}
		pages++
		first, _, _ := strings.Cut(strings.ToLower(rest), ".")
		if slices.Contains([]string{"con", "aux", "com1", ""}, first) || !regexp.MustCompile(`^[A-Za-z0-9._-]{1,140}$`).MatchString(rest) {
			t.Errorf("a file %q", name)
		}
	}
	if pages != len(texts) {
		t.Errorf("%d pages of %d types", pages, len(texts))
	}
}

// TestRandomSchemas makes each catalog of random schemas twice, with the files
// in another order. The pages keep the rules of wantSound, and the bytes of
// both catalogs are equal.
func TestRandomSchemas(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 22))
		var texts []string
		for i := range 5 {
			texts = append(texts, schemagen.Any(r, 25).Within(fmt.Sprintf("ns%d", i)).JSON())
		}
		a := catalog.New(parse(t, texts...), catalog.Options{SourceName: func(string) string { return "" }})
		files := site(t, a)
		wantSound(t, files)
		b := catalog.New(parse(t, texts...), catalog.Options{SourceName: func(string) string { return "" }})
		if diff := cmp.Diff(files, site(t, b)); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		if diff := cmp.Diff(byName(t, a.Markdown()), byName(t, b.Markdown())); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

// TestHugeSchemas checks that pages stay small for schemas with many fields,
// symbols, branches, users and bytes of doc.
func TestHugeSchemas(t *testing.T) {
	t.Parallel()
	var fields, symbols, branches []string
	texts := []string{""}
	for i := range 20_000 {
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":"long"}`, i))
		symbols = append(symbols, fmt.Sprintf(`"S%d"`, i))
	}
	for i := range 400 {
		branches = append(branches, fmt.Sprintf(`"B%d"`, i))
		texts = append(texts, fmt.Sprintf(`{"type":"record","name":"B%d","fields":[{"name":"next","type":["null","B%d"]}]}`, i, (i+1)%400))
	}
	texts[0] = `{"type":"record","name":"Wide","doc":"` + strings.Repeat("word ", 200_000) + `","fields":[` +
		strings.Join(fields, ",") + `,{"name":"e","type":{"type":"enum","name":"Many","symbols":[` + strings.Join(symbols, ",") + `]}}]}`
	texts = append(texts, `{"type":"record","name":"Hub","fields":[{"name":"all","type":[`+strings.Join(branches, ",")+`]}]}`)
	c := catalog.New(parse(t, texts...), catalog.Options{})
	files := site(t, c)
	wantSound(t, files)
	for name, content := range files {
		if len(content) > 1_000_000 && name != "asyncapi.yaml" {
			t.Errorf("%s has %d bytes", name, len(content))
		}
	}
	for name, want := range map[string]string{
		"types/Wide.html": "19001 more fields are not shown.",
		"types/Many.html": "19000 more symbols are not shown.",
		"types/Hub.html":  "385 more",
	} {
		if !bytes.Contains(files[name], []byte(want)) {
			t.Errorf("%s does not say %q", name, want)
		}
	}
	if files["diagram.html"] != nil {
		t.Error("a diagram of 400 types")
	}
}

// TestVersions checks the text of each step of the history, in HTML and in
// Markdown.
func TestVersions(t *testing.T) {
	t.Parallel()
	const v1 = `{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"string"}]}`
	const v2 = `{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"string"},{"name":"n","type":"int","default":0}]}`
	const v3 = `{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"long"},{"name":"n","type":"int","default":0}]}`
	set := parse(t, v3)
	s := set.Type("shop.Order")
	var editions []check.Edition
	for i, text := range []string{v1, v2} {
		editions = append(editions, check.Edition{Label: fmt.Sprintf("v1.%d.0", i), Date: "2026-01-01", Schema: parse(t, text).Files[0].Root})
	}
	editions = append(editions, check.Edition{Schema: s})
	c := catalog.New(set, catalog.Options{History: map[*avsc.Schema][]check.Edition{s: editions}})
	versions := c.Types[0].Versions
	if len(versions) != 3 || !versions[0].Breaking() || versions[1].Breaking() || versions[2].ReadByNow || versions[2].ReadsNow || !versions[2].First {
		t.Errorf("%+v", versions)
	}
	page := string(site(t, c)["types/shop.Order.html"])
	pages := byName(t, c.Markdown())
	for _, want := range []string{
		"Consumers on the work tree reading what v1.1.0 wrote: string became long.",
		"Consumers on v1.1.0 reading what the work tree wrote: string became long.",
	} {
		if !strings.Contains(page, want) || !strings.Contains(string(pages["types/shop.Order.md"]), want) {
			t.Errorf("no %q in\n%s", want, pages["types/shop.Order.md"])
		}
	}
}

func TestTopics(t *testing.T) {
	t.Parallel()
	set := parse(t, `{"type":"record","name":"shop.Order","fields":[]}`, `{"type":"record","name":"shop.Key","fields":[]}`,
		`["shop.Order","shop.Gone"]`, `{"type":"record","name":"shop.Gone","fields":[]}`)
	c := catalog.New(set, catalog.Options{Subjects: map[*avsc.Schema][]string{
		set.Type("shop.Order"): {"orders-value", "audit-shop.Order", "shop.Order"},
		set.Type("shop.Key"):   {"orders-key", ":.eu:audit-key"},
		set.Files[2].Root:      {"all-value"},
	}})
	var got []string
	for _, topic := range c.Topics {
		line := topic.Name + ":"
		for _, v := range topic.Values {
			line += " " + v.Name
		}
		for _, k := range topic.Keys {
			line += " key " + k.Name
		}
		got = append(got, line)
	}
	want := []string{"all: shop.Order shop.Gone", "audit: shop.Order key shop.Key", "orders: shop.Order key shop.Key"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestVectors makes the catalog of each schema of the external test vectors.
func TestVectors(t *testing.T) {
	t.Parallel()
	made := 0
	for _, name := range vectortest.Schemas(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		set, err := avsc.ParseSet(avsc.Source{Name: filepath.Base(name), Text: text})
		if err != nil {
			continue // invalid, or refers to other files
		}
		c := catalog.New(set, catalog.Options{})
		files := site(t, c)
		wantSound(t, files)
		byName(t, c.Markdown())
		var api map[string]any
		if err := yaml.Unmarshal(files["asyncapi.yaml"], &api); err != nil {
			t.Errorf("%s: asyncapi.yaml: %v", name, err)
		}
		if made++; t.Failed() {
			t.Fatal(name)
		}
	}
	if made < 500 {
		t.Errorf("only %d catalogs were made", made)
	}
}
