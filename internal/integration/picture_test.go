//go:build integration

package integration

import (
	"context"
	_ "embed"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

//go:embed testdata/dashboard.html
var pictureTemplate string

// page returns a page that draws the panels of the dashboard with the series of
// a recorded run. The test draws the panels itself, because no package registry
// has Grafana.
func (b board) page(ctx context.Context, t *testing.T, p *promServer, since time.Time) []byte {
	t.Helper()
	type line struct {
		Name   string   `json:"name"`
		Points [][2]any `json:"points"`
	}
	type drawn struct {
		Title      string `json:"title"`
		Help       string `json:"help"`
		Type       string `json:"type"`
		Unit       string `json:"unit"`
		X, Y, W, H int
		Lines      []line `json:"lines"`
	}
	var panels []drawn
	now := time.Now()
	for _, panel := range b.Panels {
		d := drawn{Title: panel.Title, Help: panel.Description, Type: panel.Type, Unit: panel.FieldConfig.Defaults.Unit, X: panel.GridPos.X, Y: panel.GridPos.Y, W: panel.GridPos.W, H: panel.GridPos.H}
		for _, target := range panel.Targets {
			result, err := p.ask(ctx, "query_range", span(fill(target.Expr), since, now))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range result {
				name := target.LegendFormat
				for label, value := range s.Metric {
					name = strings.ReplaceAll(name, "{{"+label+"}}", value)
				}
				d.Lines = append(d.Lines, line{name, s.Values})
			}
		}
		panels = append(panels, d)
	}
	alerts, err := p.ask(ctx, "query_range", span(`ALERTS`, since, now))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"panels": panels, "alerts": alerts, "from": since.Unix(), "to": now.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.Replace(pictureTemplate, "/*DATA*/null", string(text), 1))
}
