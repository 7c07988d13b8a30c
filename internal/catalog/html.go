package catalog

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

//go:embed site/page.html.tmpl
var pageTemplate string

//go:embed site/style.css
var styleSheet []byte

//go:embed site/search.js
var searchScript []byte

// HTML makes the static site. The site works from a folder, without a server.
func (c *Catalog) HTML() ([]File, error) {
	pages, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	all := c.wholeDiagram(func(t *Type) string { return "types/" + t.Stem + ".html" })
	s := site{Catalog: c, pages: pages, hasDiagram: all != nil}
	s.page("index.html", "index", "", s.index())
	if all != nil {
		picture := template.HTML(all.svg("References between all types", false)) //nolint:gosec // svg escapes its texts
		s.page("diagram.html", "diagram", "Diagram", picture)
	}
	for _, t := range c.Types {
		s.page("types/"+t.Stem+".html", "type", t.Name, s.typePage(t))
	}
	index, err := s.searchIndex()
	if err != nil {
		return nil, err
	}
	s.files = append(s.files,
		File{"style.css", styleSheet},
		File{"search.js", searchScript},
		File{"search-index.js", index},
	)
	return s.files, s.err
}

// site collects the pages.
type site struct {
	*Catalog
	pages      *template.Template
	hasDiagram bool
	files      []File
	err        error
}

// pageView is the data of the frame around every page.
type pageView struct {
	Catalog, Title, Root string
	HasDiagram           bool
	Kind                 string
	Body                 any
}

func (s *site) page(name, kind, title string, body any) {
	var out bytes.Buffer
	root := strings.Repeat("../", strings.Count(name, "/"))
	err := s.pages.Execute(&out, pageView{
		Catalog: clean(s.Title), Title: clean(title), Root: root, HasDiagram: s.hasDiagram, Kind: kind, Body: body,
	})
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("%s: %w", name, err)
	}
	s.files = append(s.files, File{name, out.Bytes()})
}

// link is a reference to a page.
type link struct{ Text, Href string }

// indexView is the data of the first page.
type indexView struct {
	Counts     []string
	Namespaces []namespaceView
	Topics     []topicView
}

type namespaceView struct {
	ID, Name string
	Types    []indexRow
}

type indexRow struct {
	link
	Kind, Summary string
	Versions      string
	Breaking      bool
}

type topicView struct {
	Name     string
	Subjects []string
	Values   []link
	Keys     []link
}

func (s *site) index() indexView {
	v := indexView{}
	row := map[string]int{}
	for _, t := range s.Types {
		ns := t.Namespace()
		i, ok := row[ns]
		if !ok {
			i = len(v.Namespaces)
			row[ns] = i
			name := clean(ns)
			if ns == "" {
				name = "without a namespace"
			}
			v.Namespaces = append(v.Namespaces, namespaceView{ID: "ns-" + strconv.Itoa(i+1), Name: name})
		}
		r := indexRow{
			link: link{clean(t.Short()), "types/" + t.Stem + ".html"}, Kind: t.kind(), Summary: t.Summary(),
			Breaking: t.Breaking(),
		}
		if n := len(t.Versions) + t.Older; n > 1 {
			r.Versions = count(n, "version")
		}
		v.Namespaces[i].Types = append(v.Namespaces[i].Types, r)
	}
	v.Counts = []string{count(len(s.Types), "type"), count(len(v.Namespaces), "namespace")}
	if len(s.Topics) > 0 {
		v.Counts = append(v.Counts, count(len(s.Topics), "topic"))
	}
	for _, t := range s.Topics {
		view := topicView{Name: clean(t.Name), Subjects: t.Subjects}
		for _, of := range t.Values {
			view.Values = append(view.Values, link{clean(of.Name), "types/" + of.Stem + ".html"})
		}
		for _, of := range t.Keys {
			view.Keys = append(view.Keys, link{clean(of.Name), "types/" + of.Stem + ".html"})
		}
		v.Topics = append(v.Topics, view)
	}
	return v
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// typeView is the data of a type's page.
type typeView struct {
	Namespace, Short, Kind string
	Doc                    []paragraph
	Facts                  []fact
	Fields                 []fieldView
	Symbols                []symbolView
	PartLinks              []tokenLink // for a type without a name
	More                   string      // a note about rows that the table omits
	Diagram                template.HTML
	Uses, UsedBy           []link
	Example, Schema        string
	Versions               []versionView
	Older                  int
}

type fact struct {
	Name  string
	Texts []string
	Links []link
}

type fieldView struct {
	Name, ID string
	Type     []tokenLink
	Notes    []string // logical types, aliases, order, properties
	Default  string
	Doc      []paragraph
}

type tokenLink struct{ Text, Href string }

type symbolView struct {
	Name    string
	Default bool
}

// paragraph is a paragraph of a doc, cut into plain text and web addresses.
type paragraph []link

func (s *site) typePage(t *Type) typeView {
	v := typeView{
		Namespace: clean(t.Namespace()), Short: clean(t.Short()), Kind: t.kind(), Doc: paragraphs(t.Doc()),
		Facts: s.facts(t), Example: t.example(), Schema: t.schemaText(), Older: t.Older,
	}
	href := func(u *Type) string { return u.Stem + ".html" }
	for i, f := range t.Schema.Fields {
		if i == maxRows {
			v.More = fmt.Sprintf("%d more fields are not shown.", len(t.Schema.Fields)-i)
			break
		}
		v.Fields = append(v.Fields, s.field(f, i))
	}
	for i, symbol := range t.Schema.Symbols {
		if i == maxRows {
			v.More = fmt.Sprintf("%d more symbols are not shown.", len(t.Schema.Symbols)-i)
			break
		}
		v.Symbols = append(v.Symbols, symbolView{clean(symbol.Name), symbol.Name == t.Schema.EnumDefault})
	}
	if !t.Schema.Kind.Named() {
		v.PartLinks = s.tokens(t.Schema)
	}
	if d := s.neighbourDiagram(t, href); d != nil {
		v.Diagram = template.HTML(d.svg("References of "+t.Short(), false)) //nolint:gosec // svg escapes its texts
	}
	for _, u := range t.Uses {
		v.Uses = append(v.Uses, link{clean(u.Name), href(u)})
	}
	for _, u := range t.UsedBy {
		v.UsedBy = append(v.UsedBy, link{clean(u.Name), href(u)})
	}
	for i := range t.Versions {
		v.Versions = append(v.Versions, t.Versions[i].view(i == 0))
	}
	return v
}

func (s *site) facts(t *Type) []fact {
	facts := []fact{{Name: "Kind", Texts: []string{t.kind()}}}
	add := func(name string, texts ...string) {
		if len(texts) > 0 && texts[0] != "" {
			facts = append(facts, fact{Name: name, Texts: texts})
		}
	}
	add("Full name", clean(t.Schema.Name))
	var aliases []string
	for _, a := range t.Schema.Aliases {
		aliases = append(aliases, clean(a.Name))
	}
	add("Aliases", aliases...)
	if t.Schema.Kind == avsc.Fixed {
		add("Size", count(t.Schema.Size, "byte"))
	}
	if t.Schema.Kind.Named() && t.Schema.Logical.Name != "" {
		add("Logical type", t.Schema.Logical.String())
	}
	add("Defined in", clean(t.Source))
	if len(t.Topics) > 0 {
		f := fact{Name: "Topics"}
		for _, topic := range t.Topics {
			f.Links = append(f.Links, link{clean(topic.Name), "../index.html#topics"})
		}
		facts = append(facts, f)
	}
	add("Subjects", t.Subjects...)
	add("Fingerprint", fmt.Sprintf("%016x", t.Schema.Fingerprint()))
	add("Properties", props(t.Schema.Props)...)
	return facts
}

// props lists custom properties.
func props(members []avsc.Member) []string {
	var list []string
	for i, m := range members {
		if i == 20 {
			list = append(list, fmt.Sprintf("%d more", len(members)-i))
			break
		}
		list = append(list, clean(m.Key)+": "+shorten(clean(string(m.Value.AppendCompact(nil))), 100))
	}
	return list
}

func (s *site) tokens(schema *avsc.Schema) []tokenLink {
	var out []tokenLink
	for _, t := range s.typeText(schema) {
		l := tokenLink{Text: clean(t.Text)}
		if t.Type != nil {
			l.Href = t.Type.Stem + ".html"
		}
		out = append(out, l)
	}
	return out
}

func (s *site) field(f *avsc.Field, i int) fieldView {
	v := fieldView{
		Name: clean(f.Name), ID: "field-" + strconv.Itoa(i+1), Type: s.tokens(f.Type),
		Notes: s.logical(f.Type), Doc: paragraphs(shorten(clean(f.Doc), maxDoc)),
	}
	v.Notes = append(v.Notes, fieldNotes(f)...)
	if f.Default != nil {
		v.Default = defaultText(f)
	}
	return v
}

func defaultText(f *avsc.Field) string {
	return shorten(clean(string(f.Default.AppendCompact(nil))), maxDefault)
}

// fieldNotes returns notes about the aliases, the order and the custom
// properties of a field.
func fieldNotes(f *avsc.Field) []string {
	var notes []string
	for _, a := range f.Aliases {
		notes = append(notes, "formerly "+clean(a.Name))
	}
	if f.Order == "descending" || f.Order == "ignore" {
		notes = append(notes, "order: "+f.Order)
	}
	return append(notes, props(f.Props)...)
}

var webAddress = regexp.MustCompile(`https?://[^\s<>"'()\[\]{}|\\^` + "`" + `]+[^\s<>"'()\[\]{}|\\^` + "`" + `.,;:!?]`)

// paragraphs splits a doc at empty lines, and separates web addresses from the
// text.
func paragraphs(doc string) []paragraph {
	var list []paragraph
	for block := range strings.SplitSeq(doc, "\n\n") {
		if block = strings.TrimSpace(block); block == "" {
			continue
		}
		var p paragraph
		at := 0
		for _, m := range webAddress.FindAllStringIndex(block, 50) {
			p = append(p, link{Text: block[at:m[0]]}, link{block[m[0]:m[1]], block[m[0]:m[1]]})
			at = m[1]
		}
		list = append(list, append(p, link{Text: block[at:]}))
	}
	return list
}

// versionView is one version on the page of a type.
type versionView struct {
	ID, Label, Date, Title string
	Newest, First          bool
	Breaks                 []string
	Changes                []changeView
	More                   int
	ReadByNow, ReadsNow    bool
}

type changeView struct {
	Path, What          string
	OldReaders, OldData effectView
	Same                bool // both effects have the same text
}

type effectView struct {
	Breaks bool
	Text   string
}

func (v *Version) view(newest bool) versionView {
	out := versionView{
		Label: clean(v.Label), Date: v.Date, Title: shorten(clean(v.Title), 200), Newest: newest, First: v.First,
		More: v.MoreChanges, ReadByNow: v.ReadByNow, ReadsNow: v.ReadsNow,
	}
	if out.Label == "" {
		out.Label = "Work tree"
	}
	for _, b := range v.Breaks {
		out.Breaks = append(out.Breaks, clean(b))
	}
	for _, c := range v.Changes {
		out.Changes = append(out.Changes, changeView{
			Path: clean(c.Path), What: clean(c.What), Same: c.OldReaders == c.OldData,
			OldReaders: effectView{c.OldReaders.Breaks, clean(c.OldReaders.Text)},
			OldData:    effectView{c.OldData.Breaks, clean(c.OldData.Text)},
		})
	}
	return out
}

// maxIndexed limits the fields and symbols in the search index.
const maxIndexed = 50_000

// searchIndex returns a script with the names of all types, fields and symbols.
// The index is a script because a page in a local folder may not read other
// files.
func (s *site) searchIndex() ([]byte, error) {
	type entry struct {
		Name    string   `json:"n"`
		Href    string   `json:"h"`
		Kind    string   `json:"k"`
		Summary string   `json:"d,omitempty"`
		Parts   []string `json:"p,omitempty"`
		Aliases []string `json:"a,omitempty"`
	}
	entries := make([]entry, 0, len(s.Types))
	indexed := 0
	for _, t := range s.Types {
		e := entry{Name: clean(t.Name), Href: "types/" + t.Stem + ".html", Kind: t.kind(), Summary: t.Summary()}
		for _, a := range t.Schema.Aliases {
			e.Aliases = append(e.Aliases, clean(a.Name))
		}
		for i, f := range t.Schema.Fields {
			if i == maxRows || indexed >= maxIndexed {
				break
			}
			indexed++
			e.Parts = append(e.Parts, clean(f.Name))
		}
		for i, symbol := range t.Schema.Symbols {
			if i == maxRows || indexed >= maxIndexed {
				break
			}
			indexed++
			e.Parts = append(e.Parts, clean(symbol.Name))
		}
		entries = append(entries, e)
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return nil, err
	}
	return append(append([]byte("window.avrogenIndex = "), text...), ";\n"...), nil
}
