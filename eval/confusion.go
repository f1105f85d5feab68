package eval

import (
	"encoding/csv"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"fasternet/checkpoints"
	"fasternet/internal/printable"
)

// CheckConfusionFile returns an error unless the name of a file for a confusion matrix ends
// in .csv, .png or .svg.
func CheckConfusionFile(path string) error { return checkEnding(path, ".csv", ".png", ".svg") }

// Write writes the matrix to a file, as a table or a picture, by the file's name: a row
// for each class, a column for each answer.
func (c *Confusion) Write(path, title string, names []string) error {
	if err := CheckConfusionFile(path); err != nil {
		return err
	}
	return checkpoints.WriteAtomic(path, func(w io.Writer) error {
		switch strings.ToLower(filepath.Ext(path)) {
		case ".csv":
			return c.writeCSV(w, names)
		case ".svg":
			return c.writePicture(w, title, names, true)
		case ".png":
			return c.writePicture(w, title, names, false)
		}
		return CheckConfusionFile(path)
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
