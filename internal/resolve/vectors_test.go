package resolve_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/internal/vectortest"
)

// vectorCase is a line of resolve.jsonl.
type vectorCase struct {
	ID          string `json:"id"`
	Writer      string `json:"writer"`
	Reader      string `json:"reader"`
	Hex         string `json:"hex"`
	ExpectedHex string `json:"expected_hex"`
	Error       bool   `json:"error"`
	ErrorJava   string `json:"error_java"`
	Confidence  string `json:"confidence"`
}

// TestVectors checks that this package reads the same values and fails on the
// same data as Java's reader and most other readers.
func TestVectors(t *testing.T) {
	t.Parallel()
	var right, disputed, disputedRight int
	vectortest.Each(t, "resolve.jsonl", func(c vectorCase) {
		wrong := c.check()
		switch {
		case c.Confidence == "disputed":
			disputed++
			if wrong == "" {
				disputedRight++
			} else if testing.Verbose() {
				t.Logf("%s (disputed): %s", c.ID, wrong)
			}
		case wrong == "":
			right++
		default:
			t.Errorf("%s (%s): %s\nwriter %s\nreader %s\nhex %s", c.ID, c.Confidence, wrong, c.Writer, c.Reader, c.Hex)
		}
	})
	t.Logf("%d right; of %d disputed ones %d as Java reads them", right, disputed, disputedRight)
	if right < 2000 {
		t.Errorf("only %d cases were read: are the vectors whole?", right)
	}
}

// check returns the mistake in our reading of the case. The readers that made
// the vectors do not convert logical types. A case with two different logical
// types is therefore judged by its structure.
func (c vectorCase) check() string {
	wrong := c.checkBytes()
	if wrong == "" {
		return ""
	}
	const logical = `"logicalType"`
	plain := c
	plain.Writer = strings.ReplaceAll(c.Writer, logical, `"plain"`)
	plain.Reader = strings.ReplaceAll(c.Reader, logical, `"plain"`)
	if plain.Writer == c.Writer || plain.Reader == c.Reader {
		return wrong
	}
	return plain.checkBytes()
}

func (c vectorCase) checkBytes() string {
	got, r, err := c.run()
	switch {
	case c.Error && err == nil:
		return "read as " + hex.EncodeToString(got) + ", want an error: " + c.ErrorJava
	case c.Error:
		return ""
	case err != nil:
		return err.Error()
	case hex.EncodeToString(got) == c.ExpectedHex:
		return ""
	}
	want, _ := hex.DecodeString(c.ExpectedHex)
	g, gerr := render(r, got)
	w, werr := render(r, want)
	if gerr != nil || werr != nil || g != w {
		return "got " + hex.EncodeToString(got) + " " + g + ", want " + c.ExpectedHex + " " + w
	}
	return ""
}

func (c vectorCase) run() ([]byte, *avsc.Schema, error) {
	w, err := avsc.Parse("writer", []byte(c.Writer))
	if err != nil {
		return nil, nil, err
	}
	r, err := avsc.Parse("reader", []byte(c.Reader))
	if err != nil {
		return nil, nil, err
	}
	p, err := resolve.Resolve(w, r)
	if err != nil {
		return nil, nil, err
	}
	data, err := hex.DecodeString(c.Hex)
	if err != nil {
		return nil, nil, err
	}
	got, err := p.Append(nil, data)
	return got, r, err
}
