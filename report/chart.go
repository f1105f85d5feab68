package report

import (
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// Chart is a figure with curves over epochs. Its labels are HTML over an SVG that
// stretches: on a phone the curves become narrow and the text stays readable, unlike in a
// scaled picture. It works without a script; with one, the reader can zoom, smooth, and
// choose steps or time and a logarithmic axis.
type Chart struct {
	Title, Unit string
	Curves      []Curve
	X, Y        []Tick
	Data        string // the curves for the script, as JSON
	Positive    bool   // offer a logarithmic axis
	Over        string // the title of the x axis; "epochs" for the course of a training
	Table       *table // its values, unless another table has them
}

// table has the values of a chart, as text.
type table struct {
	Head []string
	Rows [][]string
}

// Curve is a line of a chart.
type Curve struct {
	Name   string
	Colour int  // from 1
	Dashed bool // the second of a pair
	Run    int  // number of its run in a comparison, from 1; else 0
	Path   template.HTMLAttr
	First  string // its first, smallest, largest and last value
	Least  string
	Most   string
	Last   string
}

// Tick is a mark on an axis, at a place in percent.
type Tick struct {
	At    float64
	Label string
}

// series is a curve before drawing.
type series struct {
	name   string
	colour int
	dashed bool
	run    int
	last   string // for the legend; "" for the last value
	points []point
}

// point is a value of a curve, with its place in epochs, in steps and in time.
type point struct {
	x, y    float64 // epochs
	step    int     // batches since the beginning of the run
	seconds float64 // spent by all processes of the run
}

// drawn is the largest number of points of a curve: more than a chart has pixels.
const drawn = 400

// newChart draws series. The y axis begins at from, unless it is NaN. It returns nil if
// there is nothing to draw.
func newChart(title, unit string, from float64, all ...series) *Chart {
	low, high, right := math.Inf(1), math.Inf(-1), 0.0
	var kept []series
	for _, s := range all {
		s.points = thin(s.points)
		if len(s.points) == 0 {
			continue
		}
		for _, p := range s.points {
			low, high, right = min(low, p.y), max(high, p.y), max(right, p.x)
		}
		kept = append(kept, s)
	}
	if len(kept) == 0 {
		return nil
	}
	c := &Chart{Title: title, Unit: unit, Positive: high > 0, Over: courseOf}
	var data chartData
	if !math.IsNaN(from) {
		low = min(low, from)
		data.From = &from
	}
	low, high = padded(low, high)
	right = max(math.Ceil(right), 1)
	c.Y, c.X = ticks(low, high, false), ticks(0, right, true)
	c.draw(data, kept, right, low, high)
	return c
}

// courseOf is the title of the x axis for the course of a training.
const courseOf = "epochs"

// square draws series on axes from 0 to 1; nil without series.
func square(title, unit, over string, all ...series) *Chart {
	var kept []series
	for _, s := range all {
		if len(s.points) > 0 {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	c := &Chart{Title: title, Unit: unit, Over: over, X: ticks(0, 1, false), Y: ticks(0, 1, false)}
	c.draw(chartData{X: over}, kept, 1, 0, 1)
	return c
}

// draw adds curves on axes from 0 to right and from low to high.
func (c *Chart) draw(data chartData, kept []series, right, low, high float64) {
	for _, s := range kept {
		var path strings.Builder
		curve := chartCurve{Name: s.name, Colour: s.colour, Dashed: s.dashed, Run: s.run}
		least, most := s.points[0].y, s.points[0].y
		for i, p := range s.points {
			command := "L"
			if i == 0 {
				command = "M"
			}
			fmt.Fprintf(&path, "%s%.4g %.4g", command, 1000*p.x/right, 1000*(high-p.y)/(high-low))
			curve.Points = append(curve.Points, [4]number{number(p.x), number(p.step), number(p.seconds), number(p.y)})
			least, most = min(least, p.y), max(most, p.y)
		}
		if len(s.points) == 1 {
			path.WriteString("h0") // a dot, with round ends
		}
		c.Curves = append(c.Curves, Curve{
			Name:   s.name,
			Colour: s.colour,
			Dashed: s.dashed,
			Run:    s.run,
			Path:   template.HTMLAttr(`d="` + path.String() + `"`), //nolint:gosec // numbers
			First:  short(s.points[0].y), Least: short(least), Most: short(most), Last: s.last,
		})
		if last := len(c.Curves) - 1; s.last == "" {
			c.Curves[last].Last = short(s.points[len(s.points)-1].y)
		}
		data.Curves = append(data.Curves, curve)
	}
	text, _ := json.Marshal(data) // texts and finite numbers give no error
	c.Data = string(text)
}

// chartData is the part of a chart that goes to the script.
type chartData struct {
	From *float64 `json:"from"` // the lowest end of the y axis
	// X is the title of an x axis that is not the course of a training: both axes go from 0 to 1.
	X      string       `json:"x,omitempty"`
	Curves []chartCurve `json:"curves"`
}

type chartCurve struct {
	Name   string      `json:"name"`
	Colour int         `json:"colour"`
	Dashed bool        `json:"dashed,omitempty"`
	Run    int         `json:"run,omitempty"`
	Points [][4]number `json:"points"` // epochs, steps, seconds, value
}

// number is written with only as many digits as a chart can show.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	v := float64(n)
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.AppendFloat(nil, v, 'f', -1, 64), nil
	}
	return strconv.AppendFloat(nil, v, 'g', 5, 64), nil
}

// padded returns the ends of a y axis for values between two others.
func padded(low, high float64) (float64, float64) {
	if high-low < 1e-9*math.Abs(high) || high == low {
		low, high = low-math.Abs(low)/10, high+math.Abs(high)/10
		if low == high {
			high = 1
		}
		return low, high
	}
	room := high - low
	if low != 0 {
		low -= 0.03 * room
	}
	return low, high + 0.05*room
}

// ticks returns about five round values between two others; whole numbers if they count
// epochs.
func ticks(low, high float64, whole bool) (all []Tick) {
	const few = 5
	step := math.Pow(10, math.Floor(math.Log10((high-low)/few)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if (high-low)/(m*step) <= few {
			step *= m
			break
		}
	}
	if whole {
		step = math.Max(1, math.Round(step))
	}
	digits := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	if scaled := step * math.Pow(10, float64(digits)); math.Abs(scaled-math.Round(scaled)) > 1e-9 {
		digits++ // 2.5
	}
	for v := math.Ceil(low/step-1e-9) * step; v <= high+1e-9*step; v += step {
		label := strconv.FormatFloat(v, 'f', digits, 64)
		switch {
		case math.Abs(v) < step/2:
			label = "0"
		case digits > 4:
			label = strconv.FormatFloat(v, 'e', 1, 64)
		case v >= 10000:
			label = count(int(v))
		}
		all = append(all, Tick{100 * (v - low) / (high - low), label})
	}
	return all
}

// thin keeps the smallest and the largest value of each of some spans, so that it loses no
// peak, and leaves out values that cannot be drawn.
func thin(points []point) []point {
	var good []point
	for _, p := range points {
		if finite(p.x) && finite(p.y) {
			good = append(good, p)
		}
	}
	if len(good) <= drawn {
		return good
	}
	const spans = drawn / 2
	out := make([]point, 0, drawn)
	for i := range spans {
		part := good[i*len(good)/spans : (i+1)*len(good)/spans]
		low, high := 0, 0
		for j, p := range part {
			if p.y < part[low].y {
				low = j
			}
			if p.y >= part[high].y {
				high = j
			}
		}
		out = append(out, part[min(low, high)], part[max(low, high)])
	}
	return out
}
