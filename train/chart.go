package train

import (
	"fmt"
	"image/color"
	"io"

	"fasternet/checkpoints"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	plotdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart is a picture of one curve.
type chart struct {
	title, x, y string
	points      plotter.XYs
	faint       plotter.XYs // a thin line below it; may be empty
	logX        bool        // the x axis is logarithmic
	span        *[2]float64 // y axis: lines are cut outside of it; nil shows all
	mark        *plotter.XY // a highlighted point, or nil
}

// write makes an SVG file. It replaces the file at path after the new one is complete.
func (c chart) write(path string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.title, c.x, c.y
	if c.logX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, powers{}
	}
	line, err := plotter.NewLine(c.points)
	if err != nil {
		return err
	}
	line.Color, line.Width = color.RGBA{31, 119, 180, 255}, vg.Points(1.5)
	p.Add(plotter.NewGrid())
	if len(c.faint) > 0 {
		thin, err := plotter.NewLine(c.faint)
		if err != nil {
			return err
		}
		thin.Color, thin.Width = color.RGBA{158, 190, 216, 255}, vg.Points(0.75)
		p.Add(thin)
	}
	p.Add(line)
	if c.mark != nil {
		point, err := plotter.NewScatter(plotter.XYs{*c.mark})
		if err != nil {
			return err
		}
		point.Color, point.Radius, point.Shape = color.RGBA{214, 39, 40, 255}, vg.Points(4), plotdraw.CircleGlyph{}
		p.Add(point)
	}
	if c.span != nil {
		p.Y.Min, p.Y.Max = c.span[0], c.span[1]
	}
	canvas := vgsvg.New(18*vg.Centimeter, 9*vg.Centimeter)
	p.Draw(plotdraw.New(canvas))
	return checkpoints.WriteAtomic(path, func(w io.Writer) error {
		_, err := canvas.WriteTo(w)
		return err
	})
}

// powers are the ticks of a logarithmic axis, labelled with few digits.
type powers struct{}

// Ticks implements plot.Ticker.
func (powers) Ticks(low, high float64) []plot.Tick {
	ticks := plot.LogTicks{Prec: -1}.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = fmt.Sprintf("%.3g", t.Value)
		}
	}
	return ticks
}
