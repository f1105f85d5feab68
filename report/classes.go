package report

import (
	"encoding/json"
	"fmt"
	"html/template"
	"image/color"
	"math"

	"fasternet/eval"
)

// Classes says which classes a classifier confuses.
type Classes struct {
	Count  int
	Scores []Class // worst first
	More   []Class // all others
	Pairs  []Confused
	Names  []string     // in the order of the matrix
	Rows   [][]Cell     // the matrix, if the classes are few
	Map    *Map         // the matrix, if they are more
	Matrix template.URL // the matrix as a picture, if they are many
	Side   int          // of the picture, in pixels
	Cells  string       // the cells of the picture for the script, as JSON
}

// Class is the accuracy of one class.
type Class struct {
	Name, Taken   string
	Accuracy      float64
	Count, Missed int
}

// Cell is a field of the confusion matrix.
type Cell struct {
	Count int
	Share float64 // part of the images of its class
	Depth float64 // of its colour, 0 to 1: the root of Share, so that rare answers can be seen
	Right bool
	Title string
	Light bool // the text is light, on a strong colour
}

// Confused is a class and an answer that it often gets wrongly.
type Confused struct {
	Class, Answer string
	Count         int
	Share         float64
}

// Map is a confusion matrix as a drawing with the names of the classes at its sides.
type Map struct {
	Width, Height, Left, Top int // the size of the drawing, and the corner of the cells in it
	Side                     int // of the square of all cells
	Labels                   []Label
	Cells                    []Mark
}

// Label is the name of a class at both sides of a map, with its distance from the first cell.
type Label struct {
	Name, Whole string
	At          int
}

// Mark is a cell of a map that is not zero.
type Mark struct {
	X, Y  int
	Depth float64
	Right bool
	Title string
}

// The confusion matrix is a table with counts, a drawing with names or a picture, up to these numbers of classes.
const (
	tabled  = 25
	mapped  = 100
	painted = 4000
)

// markSide is the side of a cell of a map, in pixels; longest is how many letters of a name it shows.
const (
	markSide = 13
	longest  = 22
	letter   = 6 // pixels
)

// listed is how many classes, and how many pairs, are shown without a click.
const (
	listed      = 20
	listedPairs = 12
)

func (r *Run) classes() (*Classes, error) {
	e := r.Evaluation
	if e == nil || e.Confusion.Classes < 2 {
		return nil, nil
	}
	m := e.Confusion
	c := &Classes{Count: m.Classes}
	scores := m.Scores(e.Classes)
	totals := map[int]int{}
	for _, s := range scores {
		totals[s.Index] = s.Count
	}
	eval.WorstFirst(scores)
	for _, s := range scores {
		class := Class{Name: s.Name, Accuracy: s.Accuracy, Count: s.Count, Missed: s.Count - s.Correct}
		if s.MistakenFor >= 0 {
			class.Taken = fmt.Sprintf("%s (%s)", eval.ClassName(e.Classes, s.MistakenFor), count(s.MistakenCount))
		}
		if len(c.Scores) < listed {
			c.Scores = append(c.Scores, class)
		} else {
			c.More = append(c.More, class)
		}
	}
	for _, p := range m.Pairs() {
		if len(c.Pairs) == listedPairs {
			break
		}
		c.Pairs = append(c.Pairs, Confused{
			eval.ClassName(e.Classes, p.Class),
			eval.ClassName(e.Classes, p.Answer),
			p.Count,
			100 * float64(p.Count) / float64(totals[p.Class]),
		})
	}
	if m.Classes > painted {
		return c, nil
	}
	order := m.Order()
	for _, k := range order {
		c.Names = append(c.Names, eval.ClassName(e.Classes, k))
	}
	var err error
	switch {
	case m.Classes <= tabled:
		c.table(m, e.Classes, order, totals)
	case m.Classes <= mapped:
		c.Map = drawMap(m, e.Classes, order, totals)
	default:
		c.Side = m.Classes * max(1, pictureSide/m.Classes)
		if c.Matrix, err = inline(m.Raster(order, c.Side/m.Classes, translucent), false); err == nil {
			c.Cells, err = cellsFor(m, c.Names, order)
		}
	}
	return c, err
}

func (c *Classes) table(m *eval.Confusion, names []string, order []int, totals map[int]int) {
	for _, k := range order {
		row := make([]Cell, m.Classes)
		for i, j := range order {
			n := m.Count(k, j)
			share := float64(n) / float64(max(totals[k], 1))
			row[i] = Cell{
				Count: n, Share: share, Depth: math.Sqrt(share), Right: j == k, Light: share > 0.35,
				Title: cellTitle(names, k, j, n, totals[k]),
			}
		}
		c.Rows = append(c.Rows, row)
	}
}

// cellTitle describes the count of a cell.
func cellTitle(names []string, class, answer, n, of int) string {
	if class == answer {
		return fmt.Sprintf("%s, recognised: %s of %s", eval.ClassName(names, class), count(n), count(of))
	}
	return fmt.Sprintf("%s, taken for %s: %s of %s",
		eval.ClassName(names, class), eval.ClassName(names, answer), count(n), count(of))
}

func drawMap(m *eval.Confusion, names []string, order []int, totals map[int]int) *Map {
	d := &Map{Side: m.Classes * markSide}
	place := make([]int, m.Classes)
	room := 0
	for i, k := range order {
		place[k] = i
		whole := eval.ClassName(names, k)
		name := []rune(whole)
		if len(name) > longest {
			name = append(name[:longest-1], '…')
		}
		room = max(room, len(name)*letter)
		d.Labels = append(d.Labels, Label{string(name), whole, i*markSide + markSide/2})
	}
	d.Left, d.Top = room+8, room+8
	d.Width, d.Height = d.Left+d.Side+2, d.Top+d.Side+2
	for _, x := range m.Cells() {
		if x.Answer >= 0 {
			d.Cells = append(d.Cells, Mark{
				d.Left + place[x.Answer]*markSide, d.Top + place[x.Class]*markSide,
				math.Sqrt(float64(x.Count) / float64(totals[x.Class])),
				x.Class == x.Answer, cellTitle(names, x.Class, x.Answer, x.Count, totals[x.Class]),
			})
		}
	}
	return d
}

// pictureSide is the approximate side of the picture of a matrix, in pixels.
const pictureSide = 1200

// translucent returns the colour of a cell for any background.
func translucent(share float64, right bool) color.NRGBA {
	if right {
		return color.NRGBA{62, 124, 219, uint8(40 + 215*share)}
	}
	return color.NRGBA{214, 84, 60, uint8(min(80+400*share, 255))}
}

// told is the largest number of cells of a picture that go to the script.
const told = 20_000

// cellsFor writes the picture for the script: the names in the order of the matrix, and for each cell
// its row, its column and its count.
func cellsFor(m *eval.Confusion, names []string, order []int) (string, error) {
	all := m.Cells()
	if len(all) > told {
		return "", nil
	}
	place := make([]int, m.Classes)
	for i, k := range order {
		place[k] = i
	}
	data := struct {
		Names []string `json:"names"`
		Cells []int    `json:"cells"`
	}{Names: names}
	for _, x := range all {
		if x.Answer >= 0 {
			data.Cells = append(data.Cells, place[x.Class], place[x.Answer], x.Count)
		}
	}
	text, err := json.Marshal(data)
	return string(text), err
}
