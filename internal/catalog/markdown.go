package catalog

import (
	"fmt"
	"strings"
)

// Markdown makes pages for a code host or a wiki. README.md lists the types.
// Each type has a page, and a picture if other types are near.
func (c *Catalog) Markdown() []File {
	files := []File{{"README.md", []byte(c.markdownIndex())}}
	for _, t := range c.Types {
		picture := ""
		if d := c.neighbourDiagram(t, func(*Type) string { return "" }); d != nil {
			picture = t.Stem + ".svg"
			files = append(files, File{"types/" + picture, []byte(d.svg("References of "+t.Short(), true))})
		}
		files = append(files, File{"types/" + t.Stem + ".md", []byte(c.markdownType(t, picture))})
	}
	return files
}

func (c *Catalog) markdownIndex() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", markdownText(c.Title))
	if len(c.Topics) > 0 {
		b.WriteString("## Topics\n\n| topic | values | keys | subjects |\n|---|---|---|---|\n")
		for _, t := range c.Topics {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", markdownCode(t.Name), markdownLinks(t.Values, "types/"), markdownLinks(t.Keys, "types/"), markdownCodes(t.Subjects))
		}
		b.WriteString("\n")
	}
	ns, first := "", true
	for _, t := range c.byNamespace() {
		if first || t.Namespace() != ns {
			if !first {
				b.WriteString("\n")
			}
			ns, first = t.Namespace(), false
			name := markdownText(ns)
			if ns == "" {
				name = "Without a namespace"
			}
			fmt.Fprintf(&b, "## %s\n\n| type | kind | description |\n|---|---|---|\n", name)
		}
		fmt.Fprintf(&b, "| [%s](types/%s.md) | %s | %s |\n", markdownText(t.Short()), t.Stem, t.kind(), markdownText(t.Summary()))
	}
	return b.String()
}

// byNamespace groups the types by namespace, and keeps their order inside a
// namespace.
func (c *Catalog) byNamespace() []*Type {
	of := map[string][]*Type{}
	var order []string
	for _, t := range c.Types {
		if of[t.Namespace()] == nil {
			order = append(order, t.Namespace())
		}
		of[t.Namespace()] = append(of[t.Namespace()], t)
	}
	var list []*Type
	for _, ns := range order {
		list = append(list, of[ns]...)
	}
	return list
}

func (c *Catalog) markdownType(t *Type, picture string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s](../README.md)\n\n# %s\n\n", markdownText(c.Title), markdownText(t.Short()))
	for _, p := range strings.Split(t.Doc(), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			b.WriteString(markdownText(p) + "\n\n")
		}
	}
	s := site{Catalog: c}
	for _, f := range s.facts(t) {
		texts := f.Texts
		for _, l := range f.Links {
			texts = append(texts, l.Text)
		}
		fmt.Fprintf(&b, "- %s: %s\n", f.Name, markdownCodes(texts))
	}
	b.WriteString("\n")
	c.markdownParts(&b, t)
	if picture != "" {
		fmt.Fprintf(&b, "## References\n\n![References of %s](%s)\n\n", markdownText(t.Short()), picture)
		if len(t.Uses) > 0 {
			fmt.Fprintf(&b, "Uses: %s\n\n", markdownLinks(t.Uses, ""))
		}
		if len(t.UsedBy) > 0 {
			fmt.Fprintf(&b, "Used by: %s\n\n", markdownLinks(t.UsedBy, ""))
		}
	}
	t.markdownVersions(&b)
	if e := t.example(); e != "" {
		fmt.Fprintf(&b, "## Example\n\n%s\n", markdownBlock("json", e))
	}
	if text := t.schemaText(); text != "" {
		fmt.Fprintf(&b, "## Schema\n\n%s", markdownBlock("json", text))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// markdownParts writes the fields, the symbols, or the type of a file without a
// named type.
func (c *Catalog) markdownParts(b *strings.Builder, t *Type) {
	if len(t.Schema.Fields) > 0 {
		b.WriteString("## Fields\n\n| field | type | default | description |\n|---|---|---|---|\n")
	}
	for i, f := range t.Schema.Fields {
		if i == maxRows {
			fmt.Fprintf(b, "\n%d more fields are not shown.\n", len(t.Schema.Fields)-i)
			break
		}
		def := ""
		if f.Default != nil {
			def = markdownCode(defaultText(f))
		}
		doc := markdownText(shorten(clean(f.Doc), maxDoc))
		for _, note := range append(c.logical(f.Type), fieldNotes(f)...) {
			if doc != "" {
				doc += "<br>"
			}
			doc += markdownText(note)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", markdownCode(f.Name), c.markdownTypeLinks(f.Type, t), def, doc)
	}
	if len(t.Schema.Fields) > 0 {
		b.WriteString("\n")
	}
	if len(t.Schema.Symbols) > 0 {
		b.WriteString("## Symbols\n\n")
	}
	for i, s := range t.Schema.Symbols {
		if i == maxRows {
			fmt.Fprintf(b, "\n%d more symbols are not shown.\n", len(t.Schema.Symbols)-i)
			break
		}
		fmt.Fprintf(b, "- %s", markdownCode(s.Name))
		if s.Name == t.Schema.EnumDefault {
			b.WriteString(" (default)")
		}
		b.WriteString("\n")
	}
	if len(t.Schema.Symbols) > 0 {
		b.WriteString("\n")
	}
	if !t.Schema.Kind.Named() {
		fmt.Fprintf(b, "Type: %s\n\n", c.markdownTypeLinks(t.Schema, t))
	}
}

func (t *Type) markdownVersions(b *strings.Builder) {
	if len(t.Versions) == 0 {
		return
	}
	b.WriteString("## Versions\n\n")
	for i := range t.Versions {
		v := t.Versions[i].view(i == 0)
		fmt.Fprintf(b, "### %s", markdownText(v.Label))
		if v.Date != "" {
			fmt.Fprintf(b, " (%s)", v.Date)
		}
		b.WriteString("\n\n")
		if v.Title != "" {
			b.WriteString(markdownText(v.Title) + "\n\n")
		}
		if len(v.Breaks) > 0 {
			b.WriteString("**Who breaks**\n\n")
			for _, text := range v.Breaks {
				fmt.Fprintf(b, "- %s\n", markdownText(text))
			}
			b.WriteString("\n")
		}
		for _, c := range v.Changes {
			what := markdownText(c.What)
			if c.Path != "" {
				what = markdownCode(c.Path) + " " + what
			}
			if c.Same {
				fmt.Fprintf(b, "- %s. Old readers and old data: %s.\n", what, markdownText(c.OldData.Text))
				continue
			}
			fmt.Fprintf(b, "- %s. Old readers: %s. Old data: %s.\n", what, markdownText(c.OldReaders.Text), markdownText(c.OldData.Text))
		}
		if v.More > 0 {
			fmt.Fprintf(b, "- %d more changes\n", v.More)
		}
		if v.First {
			b.WriteString("The first version.\n")
		}
		b.WriteString("\n")
		if !v.Newest {
			fmt.Fprintf(b, "The newest version %s its data. It %s data of the newest version.\n\n", readsText(v.ReadByNow), readsText(v.ReadsNow))
		}
	}
	if t.Older > 0 {
		fmt.Fprintf(b, "%d older versions are not shown.\n\n", t.Older)
	}
}

func readsText(ok bool) string {
	if ok {
		return "reads"
	}
	return "**cannot read**"
}
