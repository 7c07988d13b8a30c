package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// finding is one problem at a place.
type finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // from 1, or 0 for the whole file
	Col     int    `json:"col"`
	Rule    string `json:"rule"`
	Path    string `json:"path"` // inside the schema, or ""
	Message string `json:"message"`
	Witness string `json:"witness,omitempty"` // a value that shows the problem
}

// ruleInvalid is the rule of an invalid schema. Text output does not show this
// rule. The text of a mistake is `file:line:col: problem: fix`.
const ruleInvalid = "INVALID_SCHEMA"

func mistakeFindings(mistakes avsc.Errors) []finding {
	findings := make([]finding, 0, len(mistakes))
	for _, m := range mistakes {
		message := m.What
		if m.Fix != "" {
			message += ": " + m.Fix
		}
		findings = append(findings, finding{
			File: m.Pos.File, Line: m.Pos.Line, Col: m.Pos.Col, Rule: ruleInvalid, Message: message,
		})
	}
	return findings
}

// report prints findings on stdout in the chosen format, sorted by place. It
// returns errReported if there was a finding, and nil otherwise.
func (a *app) report(findings []finding) error {
	if len(findings) == 0 {
		return nil
	}
	slices.SortStableFunc(findings, func(x, y finding) int {
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Col, y.Col))
	})
	var out bytes.Buffer
	for _, f := range findings {
		a.format.append(&out, f)
	}
	if err := a.writeText(out.String()); err != nil {
		return err
	}
	return errReported
}

// writeText writes results to stdout. On a terminal, it wraps lines of text.
func (a *app) writeText(text string) error {
	text = visible(text)
	if width := terminalWidth(a.stdout); width > 0 && a.format.isText() {
		text = wrap(text, width)
	}
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// format is the output format of findings. The zero value is text.
type format string

func (f *format) String() string { return cmp.Or(string(*f), "text") }
func (f *format) Type() string   { return "text|json|github" }

func (f format) isText() bool { return f == "" || f == "text" }

func (f *format) Set(s string) error {
	switch s {
	case "text", "json", "github":
		*f = format(s)
		return nil
	}
	return fmt.Errorf("%q is none of text, json, github", s)
}

func (f format) append(out *bytes.Buffer, x finding) {
	switch f {
	case "json":
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(x) // cannot fail: strings and ints into a buffer
	case "github":
		out.WriteString("::error file=" + githubProperty(x.File))
		if x.Line > 0 {
			fmt.Fprintf(out, ",line=%d,col=%d", x.Line, x.Col)
		}
		fmt.Fprintf(out, ",title=%s::%s\n", githubProperty(x.Rule), githubData(x.text()))
	default:
		out.WriteString(avsc.Pos{File: x.File, Line: x.Line, Col: x.Col}.String() + ": ")
		if x.Rule != ruleInvalid {
			out.WriteString(x.Rule + ": ")
		}
		out.WriteString(x.text() + "\n")
	}
}

// text returns the message, with the witness if there is a witness.
func (f finding) text() string {
	if f.Witness == "" {
		return f.Message
	}
	const most = 200
	example := f.Witness
	if len(example) > most {
		example = strings.ToValidUTF8(example[:most], "") + "…"
	}
	return f.Message + " For instance: " + example
}

// githubData escapes the message of a workflow command. githubProperty escapes
// a value before the message.
func githubData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func githubProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(githubData(s))
}
