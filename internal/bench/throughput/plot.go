package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// draw makes one PNG: bars for the rate, the latency in words below each.
func draw(file string, s sweep, figures []figure, nodes int) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%s: events a second, and the 99th percentile of latency", s.name)
	p.X.Label.Text = fmt.Sprintf("%s (%s), %d node(s)", s.name, s.unit, nodes)
	if s.unit == "" {
		p.X.Label.Text = fmt.Sprintf("%s, %d node(s)", s.name, nodes)
	}
	p.Y.Label.Text = "thousand events/s"
	p.Y.Min = 0
	values := make(plotter.Values, len(figures))
	labels := make([]string, len(figures))
	for i, f := range figures {
		values[i] = f.rate / 1000
		labels[i] = fmt.Sprintf("%s\np99 %.0f ms", s.points[i].label, ms(f.p99))
	}
	bars, err := plotter.NewBarChart(values, vg.Points(28))
	if err != nil {
		return err
	}
	bars.Color = color.RGBA{R: 0x2f, G: 0x6f, B: 0xb0, A: 0xff}
	bars.LineStyle.Width = 0
	p.Add(plotter.NewGrid(), bars)
	p.NominalX(labels...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return p.Save(16*vg.Centimeter, 9*vg.Centimeter, file)
}
