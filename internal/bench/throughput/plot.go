package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

var (
	blue  = color.RGBA{R: 0x2f, G: 0x6f, B: 0xb0, A: 0xff}
	amber = color.RGBA{R: 0xe0, G: 0xa0, B: 0x30, A: 0xff}
)

// plotSweep makes a PNG. The left side shows the effect of the option on the
// rate, and the right side the effect on the latency.
func plotSweep(file string, s sweep, figures []figure, nodes string) error {
	labels := make([]string, len(figures))
	for i, p := range s.points {
		labels[i] = p.label
	}
	values := func(of func(figure) float64) plotter.Values {
		out := make(plotter.Values, len(figures))
		for i, f := range figures {
			out[i] = of(f)
		}
		return out
	}
	x := s.name
	if s.unit != "" {
		x += " (" + s.unit + ")"
	}
	rate, err := bars(labels, series{"", blue, values(func(f figure) float64 { return f.rate / 1000 })})
	if err != nil {
		return err
	}
	rate.Title.Text, rate.Y.Label.Text, rate.X.Label.Text = "flat out, "+nodes, "thousand events/s", x
	latency, err := bars(labels,
		series{"p50", blue, values(func(f figure) float64 { return inMs(f.p50) })},
		series{"p99", amber, values(func(f figure) float64 { return inMs(f.p99) })})
	if err != nil {
		return err
	}
	latency.Title.Text, latency.Y.Label.Text, latency.X.Label.Text = fmt.Sprintf("at %d events/s, %s", pacedRate, nodes), "ms", x
	return save(file, rate, latency)
}

func inMs(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// series is a series of bars in one colour, with a bar for each label.
type series struct {
	name   string
	color  color.Color
	values plotter.Values
}

func bars(labels []string, all ...series) (*plot.Plot, error) {
	p := plot.New()
	p.Add(plotter.NewGrid())
	p.NominalX(labels...)
	const width = 24
	highest := 0.0
	for i, s := range all {
		b, err := plotter.NewBarChart(s.values, vg.Points(width/float64(len(all))))
		if err != nil {
			return nil, err
		}
		b.Color, b.LineStyle.Width = s.color, 0
		b.Offset = vg.Points((float64(i) - float64(len(all)-1)/2) * width / float64(len(all)))
		p.Add(b)
		if s.name != "" {
			p.Legend.Add(s.name, b)
		}
		highest = max(highest, slices.Max(s.values))
	}
	p.Legend.Top = true
	p.Y.Min, p.Y.Max = 0, highest*1.15
	p.X.Min, p.X.Max = -0.6, float64(len(labels))-0.4
	return p, nil
}

func save(file string, side ...*plot.Plot) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	img := vgimg.New(24*vg.Centimeter, 8*vg.Centimeter)
	tiles := draw.Tiles{Rows: 1, Cols: len(side), PadX: vg.Centimeter, PadTop: vg.Points(6), PadBottom: vg.Points(4), PadLeft: vg.Points(6), PadRight: vg.Points(6)}
	for i, c := range plot.Align([][]*plot.Plot{side}, tiles, draw.New(img))[0] {
		side[i].Draw(c)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
