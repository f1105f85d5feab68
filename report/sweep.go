package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"fasternet/checkpoints"
	"fasternet/internal/printable"
)

//go:embed sweep.html
var sweepText string

var sweepTemplate = template.Must(template.New("sweep").Parse(sweepText))

// TrialsPage is a page of several trials, the best first: the trials of a sweep, or the folds of
// a cross-validation.
type TrialsPage struct {
	Title      string
	About      string // a line about the search
	Heading    string // of the table
	MetricName string // the measure to compare by, e.g. "top-1 (%)"
	Falls      bool   // smaller is better
	BestText   string // a text about the best trial; "" for none
	Keys       []string
	Figures    []string // the columns of figures
	Trials     []TrialRow
	Foot       *TrialRow // e.g. the mean; may be nil
}

// TrialRow is a trial in the table.
type TrialRow struct {
	Name    string
	Run     string   // the path of its report, relative to the page; "" for none
	Values  []string // one for each of TrialsPage.Keys
	Epochs  string
	Figures []string // one for each of TrialsPage.Figures
	Metric  *float64 // nil for none
	Figure  string   // Metric in large letters; "" for none
	State   string
	Error   string
}

// trialsPage is what the template shows.
type trialsPage struct {
	*TrialsPage
	Best   *TrialRow
	Policy string
	Style  template.CSS
	Made   string
	Width  int
	Axes   []axis
	Lines  []trialLine
}

// axis is one of the parallel coordinates.
type axis struct {
	Name  string
	X     int
	Marks []axisMark
}

type axisMark struct {
	Y    int
	Text string
}

// trialLine is the line of a trial through all axes.
type trialLine struct {
	Name, Points, Opacity string
	First                 bool
}

// WriteTrials writes the page of trials to a file, which appears when it is complete.
func WriteTrials(path string, t TrialsPage) error {
	p := &trialsPage{
		TrialsPage: &t,
		Style:      template.CSS(style), //nolint:gosec // ours
		Made:       time.Now().Format("2 Jan 2006 15:04:05"),
		Policy:     policy(false, nil) + " 'none'",
	}
	if len(t.Trials) > 0 && t.Trials[0].Metric != nil && t.BestText != "" {
		p.Best = &t.Trials[0]
	}
	p.draw()
	return checkpoints.WriteAtomic(path, func(w io.Writer) error {
		if err := sweepTemplate.Execute(printable.NewWriter(w), p); err != nil {
			return fmt.Errorf("report: %w", err)
		}
		return nil
	})
}

// mostLines is the largest number of trials to draw, the best ones.
const mostLines = 300

// draw makes the parallel coordinates of the trials that have a figure.
func (p *trialsPage) draw() {
	var rows []TrialRow
	for _, t := range p.Trials {
		if t.Metric != nil && !math.IsNaN(*t.Metric) && !math.IsInf(*t.Metric, 0) {
			rows = append(rows, t)
		}
	}
	if rows = rows[:min(len(rows), mostLines)]; len(rows) < 2 || len(p.Keys) == 0 {
		return
	}
	const side, step = 90, 170
	p.Width = 2*side + step*len(p.Keys)
	heights := make([][]int, len(rows)) // by trial and axis
	for k, key := range p.Keys {
		values := make([]string, len(rows))
		for i, r := range rows {
			values[i] = r.Values[k]
		}
		at, marks := place(values)
		for i, y := range at {
			heights[i] = append(heights[i], y)
		}
		p.Axes = append(p.Axes, axis{key, side + step*k, marks})
	}
	metric := make([]float64, len(rows))
	for i, r := range rows {
		metric[i] = *r.Metric
	}
	at, marks := scale(metric, false)
	if p.Falls { // better values are above
		for i := range at {
			at[i] = lowest + highest - at[i]
		}
		for i := range marks {
			marks[i].Y = lowest + highest - marks[i].Y
		}
	}
	p.Axes = append(p.Axes, axis{p.MetricName, side + step*len(p.Keys), marks})
	for i := len(rows) - 1; i >= 0; i-- { // draw the best one last, on top
		var points []string
		for k, y := range append(heights[i], at[i]) {
			points = append(points, fmt.Sprintf("%d,%d", p.Axes[k].X, y))
		}
		strength := 1 - 0.8*float64(i)/float64(len(rows))
		width := fmt.Sprintf("%.2f", strength)
		p.Lines = append(p.Lines, trialLine{rows[i].Name, strings.Join(points, " "), width, i == 0})
	}
}

// The ends of an axis in the picture.
const (
	highest = 40
	lowest  = 320
)

// place puts the values of a key on an axis: numbers by their size, other values one below
// another.
func place(values []string) (at []int, marks []axisMark) {
	numbers := make([]float64, len(values))
	for i, text := range values {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			return list(values)
		}
		numbers[i] = v
	}
	return scale(numbers, true)
}

// scale puts numbers on an axis. It is logarithmic if that is allowed and the numbers span over
// two orders of magnitude.
func scale(v []float64, logarithm bool) (at []int, marks []axisMark) {
	low, high := slices.Min(v), slices.Max(v)
	position := func(x float64) float64 { return x }
	if logarithm && low > 0 && high/low >= 30 {
		position = math.Log
	}
	y := func(x float64) int {
		if high == low {
			return (lowest + highest) / 2
		}
		return int(math.Round(lowest - (position(x)-position(low))/(position(high)-position(low))*(lowest-highest)))
	}
	for _, x := range v {
		at = append(at, y(x))
	}
	marks = []axisMark{{y(low), short(low)}}
	if high > low {
		middle := (low + high) / 2
		if logarithm && low > 0 && high/low >= 30 {
			middle = math.Sqrt(low * high)
		}
		marks = append(marks, axisMark{y(middle), short(middle)}, axisMark{y(high), short(high)})
	}
	return at, marks
}

// list puts names on an axis.
func list(values []string) (at []int, marks []axisMark) {
	names := slices.Compact(slices.Sorted(slices.Values(values)))
	y := func(i int) int {
		if len(names) == 1 {
			return (lowest + highest) / 2
		}
		return highest + i*(lowest-highest)/(len(names)-1)
	}
	for _, v := range values {
		at = append(at, y(slices.Index(names, v)))
	}
	for i, n := range names {
		marks = append(marks, axisMark{y(i), n})
	}
	return at, marks
}
