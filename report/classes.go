package report

import (
	"fmt"
	"html/template"
	"image"
	"image/color"
	"math"

	"fasternet/eval"
)

// Classes is what a classifier takes for what.
type Classes struct {
	Count  int
	Scores []Class // worst first
	More   []Class // all others
	Pairs  []Confused
	Names  []string
	Rows   [][]Cell     // of few classes; else
	Matrix template.URL // a picture, a pixel a cell; else neither
}

// Class is the accuracy of one.
type Class struct {
	Name, Taken   string
	Accuracy      float64
	Count, Missed int
}

// Cell is a field of the confusion matrix.
type Cell struct {
	Count int
	Share float64 // of the images of its class
	Depth float64 // of its colour, 0 to 1: its root, or what is rare would not be seen
	Right bool
	Title string
	Light bool // the text, on a strong colour
}

// Confused is a class that is often taken for another.
type Confused struct {
	Class, Answer string
	Count         int
	Share         float64
}

// The most classes that are shown as a table with counts, and as a picture.
const (
	tabled  = 25
	painted = 4000
)

// listed is how many classes, and how many pairs, are shown at once.
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
		c.Pairs = append(c.Pairs, Confused{eval.ClassName(e.Classes, p.Class), eval.ClassName(e.Classes, p.Answer), p.Count, 100 * float64(p.Count) / float64(totals[p.Class])})
	}
	var err error
	switch {
	case m.Classes <= tabled:
		c.table(m, e.Classes, totals)
	case m.Classes <= painted:
		c.Matrix, err = paint(m, totals)
	}
	return c, err
}

func (c *Classes) table(m *eval.Confusion, names []string, totals map[int]int) {
	for k := range m.Classes {
		c.Names = append(c.Names, eval.ClassName(names, k))
		row := make([]Cell, m.Classes)
		for j := range row {
			n := m.Count(k, j)
			share := float64(n) / float64(max(totals[k], 1))
			row[j] = Cell{Count: n, Share: share, Depth: math.Sqrt(share), Right: j == k, Light: share > 0.35,
				Title: fmt.Sprintf("%s, taken for %s: %s of %s", eval.ClassName(names, k), eval.ClassName(names, j), count(n), count(totals[k]))}
		}
		c.Rows = append(c.Rows, row)
	}
}

// paint draws a matrix of many classes, a pixel a cell, on any background.
func paint(m *eval.Confusion, totals map[int]int) (template.URL, error) {
	picture := image.NewNRGBA(image.Rect(0, 0, m.Classes, m.Classes))
	for k := range m.Classes {
		for j := range m.Classes {
			n := m.Count(k, j)
			if n == 0 {
				continue
			}
			share := float64(n) / float64(max(totals[k], 1))
			c := color.NRGBA{214, 84, 60, uint8(60 + 195*share)}
			if k == j {
				c = color.NRGBA{62, 124, 219, uint8(40 + 215*share)}
			}
			picture.SetNRGBA(j, k, c)
		}
	}
	return inline(picture, false)
}
