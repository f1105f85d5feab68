package predict

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"fasternet/internal/printable"
)

// Writer takes the classes of images, one image after the other. An image may have none.
type Writer interface {
	Write(file string, guesses []Guess) error
	Close() error
}

// Formats lists the formats that [NewWriter] knows.
var Formats = []string{"table", "csv", "jsonl"}

// NewWriter writes in one of the formats: a table for people, with columns as wide as the
// names of the inputs and the classes; CSV with a line for each class of each image; or a
// JSON object for each image.
func NewWriter(w io.Writer, format string, in *Inputs, classes []string) (Writer, error) {
	switch format {
	case "table":
		t := &table{w: w, file: 4, label: 5}
		for i := range in.Len() {
			t.file = max(t.file, width(in.Name(i)))
		}
		for _, c := range classes {
			t.label = max(t.label, width(c))
		}
		return t, t.line("file", "rank", "index", "label", "prob")
	case "csv":
		c := csvWriter{csv.NewWriter(w)}
		return c, c.csv.Write([]string{"file", "rank", "index", "label", "prob"})
	case "jsonl":
		return jsonLines{w}, nil
	}
	return nil, fmt.Errorf("format %q: want %s", format, strings.Join(Formats, ", "))
}

type table struct {
	w           io.Writer
	file, label int // widths
}

// width returns the width of a name when it is printed.
func width(name string) int { return utf8.RuneCountInString(printable.Sprintf("%s", name)) }

func (t *table) line(file, rank, index, label, prob string) error {
	_, err := printable.Fprintf(t.w, "%-*s  %4s  %5s  %-*s  %7s\n", t.file, file, rank, index, t.label, label, prob)
	return err
}

func (t *table) Write(file string, guesses []Guess) error {
	if len(guesses) == 0 {
		return t.line(file, "", "", "(no label)", "")
	}
	for i, g := range guesses {
		if i > 0 {
			file = "" // name the file only once
		}
		err := t.line(file, strconv.Itoa(i+1), strconv.Itoa(g.Index), g.Label, fmt.Sprintf("%.4f", g.Prob))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *table) Close() error { return nil }

type csvWriter struct{ csv *csv.Writer }

func (c csvWriter) Write(file string, guesses []Guess) error {
	if len(guesses) == 0 { // write a line for the image without classes, too
		c.csv.Write(printable.Row([]string{file, "", "", "", ""}))
	}
	for i, g := range guesses {
		c.csv.Write(printable.Row([]string{
			file, strconv.Itoa(i + 1), strconv.Itoa(g.Index), g.Label, probability(g.Prob),
		}))
	}
	c.csv.Flush()
	return c.csv.Error()
}

func (c csvWriter) Close() error {
	c.csv.Flush()
	return c.csv.Error()
}

func probability(p float64) string { return strconv.FormatFloat(p, 'g', 7, 64) }

type jsonLines struct{ w io.Writer }

// jsonGuess has null instead of a probability that is NaN, as JSON has no NaN.
type jsonGuess struct {
	Index int          `json:"index"`
	Label string       `json:"label"`
	Prob  *json.Number `json:"prob"`
}

func (j jsonLines) Write(file string, guesses []Guess) error {
	list := make([]jsonGuess, len(guesses))
	for i, g := range guesses {
		list[i] = jsonGuess{Index: g.Index, Label: g.Label}
		if !math.IsNaN(g.Prob) {
			n := json.Number(probability(g.Prob))
			list[i].Prob = &n
		}
	}
	line, err := printable.Marshal(struct {
		File        string      `json:"file"`
		Predictions []jsonGuess `json:"predictions"`
	}{file, list})
	if err != nil {
		return err
	}
	_, err = j.w.Write(append(line, '\n'))
	return err
}

func (j jsonLines) Close() error { return nil }
