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
// stretches: on a phone the curves become narrow and the text stays readable, which
// a scaled picture cannot do.
type Chart struct {
	Title, Unit string
	Curves      []Curve
	X, Y        []Tick
	Log         bool // logarithmic y
	Table       string
}

// Curve is a line of a chart.
type Curve struct {
	Name   string
	Colour int  // 1 and up
	Dashed bool // the second of a pair
	Path   template.HTMLAttr
	Last   string // its last value
}

// Tick is a mark on an axis, at a part of it in percent.
type Tick struct {
	At    float64
	Label string
}

// series is a curve before it is drawn.
type series struct {
	name   string
	colour int
	dashed bool
	points []point
}

type point struct{ x, y float64 }

// drawn is the most points of a curve: more than a chart has pixels.
const drawn = 400

// newChart draws series. from is the lowest end of the y axis unless it is NaN. It
// returns nil if there is nothing to draw.
func newChart(title, unit string, from float64, all ...series) *Chart {
	low, high, left, right := math.Inf(1), math.Inf(-1), 0.0, 0.0
	smallest := math.Inf(1)
	var kept []series
	for _, s := range all {
		s.points = thin(s.points)
		if len(s.points) == 0 {
			continue
		}
		for _, p := range s.points {
			low, high, right = min(low, p.y), max(high, p.y), max(right, p.x)
			if p.y > 0 {
				smallest = min(smallest, p.y)
			}
		}
		kept = append(kept, s)
	}
	if len(kept) == 0 {
		return nil
	}
	c := &Chart{Title: title, Unit: unit}
	c.Log = low > 0 && high > 50*smallest && math.IsNaN(from)
	if !math.IsNaN(from) {
		low = min(low, from)
	}
	low, high = c.axis(low, high)
	right = math.Ceil(right)
	c.X = ticks(left, right, true)
	var data []string
	for _, s := range kept {
		var path, text strings.Builder
		for i, p := range s.points {
			at := point{1000 * (p.x - left) / (right - left), 1000 * (1 - c.scale(p.y, low, high))}
			command := "L"
			if i == 0 {
				command = "M"
			}
			fmt.Fprintf(&path, "%s%.4g %.4g", command, at.x, at.y)
			fmt.Fprintf(&text, ",[%.4g,%.4g,%.4g,%.4g]", p.x, p.y, at.x, at.y)
		}
		if len(s.points) == 1 {
			path.WriteString("h0") // a dot, with round ends
		}
		last := s.points[len(s.points)-1].y
		c.Curves = append(c.Curves, Curve{s.name, s.colour, s.dashed, template.HTMLAttr(`d="` + path.String() + `"`), short(last)}) //nolint:gosec // numbers
		data = append(data, fmt.Sprintf("[%s,%d,[%s]]", quoted(s.name), s.colour, text.String()[1:]))
	}
	c.Table = "[" + strings.Join(data, ",") + "]"
	return c
}

// axis chooses the ends of the y axis and its ticks.
func (c *Chart) axis(low, high float64) (float64, float64) {
	if c.Log {
		low, high = low/1.2, high*1.2
		for e := math.Floor(math.Log10(low)); e <= math.Log10(high); e++ {
			for _, m := range []float64{1, 3} {
				if v := m * math.Pow(10, e); v >= low && v <= high {
					c.Y = append(c.Y, Tick{100 * c.scale(v, low, high), short(v)})
				}
			}
		}
		if len(c.Y) > 7 {
			var decades []Tick
			for i, t := range c.Y {
				if !strings.Contains(t.Label, "3") || i == 0 {
					decades = append(decades, t)
				}
			}
			c.Y = decades
		}
		return low, high
	}
	if high-low < 1e-9*math.Abs(high) || high == low {
		low, high = low-math.Abs(low)/10, high+math.Abs(high)/10
		if low == high {
			high = 1
		}
	} else {
		low, high = low-0.03*(high-low)*float64(btoi(low != 0)), high+0.05*(high-low)
	}
	c.Y = ticks(low, high, false)
	return low, high
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *Chart) scale(y, low, high float64) float64 {
	if c.Log {
		return (math.Log(y) - math.Log(low)) / (math.Log(high) - math.Log(low))
	}
	return (y - low) / (high - low)
}

// ticks are the round values between two, some five of them; whole ones where epochs
// are counted.
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

// thin keeps the smallest and the largest value of each of some spans, so that no
// peak is lost, and leaves out what cannot be drawn.
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

func quoted(s string) string {
	b, _ := json.Marshal(s) // of a text there is no error
	return string(b)
}
