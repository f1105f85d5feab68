package eval

import (
	"encoding/csv"
	"fmt"
	"image/color"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"fasternet/checkpoints"
	"fasternet/internal/printable"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// CheckConfusionFile says whether the name of a file for a confusion matrix ends
// in .csv or .png.
func CheckConfusionFile(path string) error { return checkEnding(path, ".csv", ".png") }

// Write writes the matrix to a file, as a table or a picture by its name: a row
// for each class, a column for each answer.
func (c *Confusion) Write(path, title string, names []string) error {
	if err := CheckConfusionFile(path); err != nil {
		return err
	}
	return checkpoints.WriteAtomic(path, func(w io.Writer) error {
		if strings.EqualFold(filepath.Ext(path), ".csv") {
			return c.writeCSV(w, names)
		}
		return c.writePNG(w, title, names)
	})
}

func (c *Confusion) writeCSV(w io.Writer, names []string) error {
	none := 0 // samples without an answer
	for k, n := range c.counts {
		if k[1] < 0 {
			none += n
		}
	}
	out := csv.NewWriter(w)
	row := []string{"class"}
	for k := range c.Classes {
		row = append(row, ClassName(names, k))
	}
	if none > 0 {
		row = append(row, "(not a number)")
	}
	out.Write(printable.Row(row))
	for k := range c.Classes {
		row = append(row[:0], ClassName(names, k))
		for j := range c.Classes {
			row = append(row, strconv.Itoa(c.Count(k, j)))
		}
		if none > 0 {
			row = append(row, strconv.Itoa(c.Count(k, -1)))
		}
		out.Write(printable.Row(row))
	}
	out.Flush()
	return out.Error()
}

// Up to these numbers of classes the picture has counts, names, and a cell of
// its own for each.
const (
	countedClasses = 25
	namedClasses   = 60
	drawnClasses   = 4000
)

// cells draws the matrix: part of the row as a shade, first class at the top.
type cells struct {
	c    *Confusion
	rows []int // sums
}

func (s cells) share(class, answer int) float64 {
	return float64(s.c.Count(class, answer)) / float64(max(s.rows[class], 1))
}

// Plot is part of plot.Plotter. It draws the cells that have a count.
func (s cells) Plot(canvas draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&canvas)
	drawn := slices.SortedFunc(maps.Keys(s.c.counts), func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	for _, k := range drawn {
		if k[1] < 0 {
			continue
		}
		left, right := x(float64(k[1])-0.5), x(float64(k[1])+0.5)
		row := float64(s.c.Classes - 1 - k[0])
		low, high := y(row-0.5), y(row+0.5)
		canvas.FillPolygon(shade(s.share(k[0], k[1])), []vg.Point{{X: left, Y: low}, {X: right, Y: low}, {X: right, Y: high}, {X: left, Y: high}})
	}
}

// shade goes from white to dark blue.
func shade(t float64) color.Color {
	return color.RGBA{uint8(255 - 247*t), uint8(255 - 207*t), uint8(255 - 148*t), 255}
}

func (c *Confusion) writePNG(w io.Writer, title string, names []string) error {
	if c.Classes > drawnClasses {
		return fmt.Errorf("a picture of %d classes: want at most %d; write a .csv", c.Classes, drawnClasses)
	}
	g := cells{c, make([]int, c.Classes)}
	for k, n := range c.counts {
		g.rows[k[0]] += n
	}
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "answer of the model", "class"
	p.Title.TextStyle.Font.Size, p.Title.Padding = 14, 8
	p.Add(g)
	end := float64(c.Classes) - 0.5
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -0.5, end, -0.5, end
	c.labelAxes(p, names)
	if c.Classes <= countedClasses {
		counts, err := c.cellCounts(g)
		if err != nil {
			return err
		}
		p.Add(counts)
	}
	side := vg.Length(max(360, min(28*c.Classes, 800))) + 140
	canvas := vgimg.NewWith(vgimg.UseWH(side, side), vgimg.UseDPI(110))
	p.Draw(draw.New(canvas))
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	return err
}

// labelAxes names the classes; where they are too many, some have their index.
func (c *Confusion) labelAxes(p *plot.Plot, names []string) {
	var x, y []plot.Tick
	step := 1
	if c.Classes > namedClasses {
		for _, step = range []int{5, 10, 20, 50, 100, 200} {
			if step*20 >= c.Classes {
				break
			}
		}
	}
	for k := 0; k < c.Classes; k += step {
		label := strconv.Itoa(k)
		if step == 1 {
			label = shortened(ClassName(names, k), 18)
		}
		x = append(x, plot.Tick{Value: float64(k), Label: label})
		y = append(y, plot.Tick{Value: float64(c.Classes - 1 - k), Label: label})
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(x), plot.ConstantTicks(y)
	p.X.Tick.Length, p.Y.Tick.Length = 2, 2
	p.X.Tick.Label.Rotation = 0.9
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = text.XRight, text.YCenter
}

// shortened cuts a text to n letters.
func shortened(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// cellCounts are the numbers in the cells.
func (c *Confusion) cellCounts(g cells) (*plotter.Labels, error) {
	var at plotter.XYs
	var texts []string
	var light []bool
	for class := range c.Classes {
		for answer := range c.Classes {
			n, r := c.Count(class, answer), c.Classes-1-class
			if n == 0 {
				continue
			}
			at = append(at, plotter.XY{X: float64(answer), Y: float64(r)})
			texts = append(texts, strconv.Itoa(n))
			light = append(light, g.share(class, answer) > 0.5)
		}
	}
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: at, Labels: texts})
	if err != nil {
		return nil, err
	}
	for i := range labels.TextStyle {
		s := &labels.TextStyle[i]
		s.XAlign, s.YAlign, s.Font.Size = text.XCenter, text.YCenter, 10
		if light[i] {
			s.Color = color.White
		}
	}
	return labels, nil
}
