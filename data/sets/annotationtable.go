package sets

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/data/picture"
)

// pathColumns are usual names for a column of paths, the most reliable first.
var pathColumns = []string{
	"path", "filepath", "imagepath", "imgpath",
	"file", "filename", "imagefile", "imagefilename",
	"imagename", "imgname", "image", "img",
	"imageid", "imgid", "name", "id",
}

func isPathColumn(name string) bool { return slices.Contains(pathColumns, plainKey(name)) }

// partColumns are usual names for a column that says to which part of a data set a row belongs.
var partColumns = []string{
	"split", "set", "subset", "part", "partition", "phase", "usage", "fold",
	"istrain", "isval", "isvalid", "istest",
}

func isPartColumn(name string) bool { return slices.Contains(partColumns, plainKey(name)) }

// delimiterOf returns what separates the columns of a table, or 0 if the text is not a table. It
// looks at the ending of the file, and for a first line that is a header or begins with a path.
func delimiterOf(path, text string) (delimiter rune) {
	first, _, _ := strings.Cut(strings.TrimLeft(text, "\n\t "), "\n")
	ending := strings.ToLower(filepath.Ext(path))
	most := 1
	for _, d := range []rune{',', ';', '\t'} {
		fields := fieldsOf(first, d)
		if len(fields) <= most {
			continue
		}
		_, numbered := wholeNumber(fields[0])
		switch {
		case ending == ".csv", ending == ".tsv",
			strings.HasPrefix(first, `"`),
			picture.HasImageName(fields[0]),
			numbered && picture.HasImageName(fields[len(fields)-1]),
			isHeader(fields, nil):
			delimiter, most = d, len(fields)
		}
	}
	return delimiter
}

// fieldsOf splits a line into fields; nil if this is not possible.
func fieldsOf(line string, delimiter rune) []string {
	c := csv.NewReader(strings.NewReader(line))
	c.Comma, c.LazyQuotes = delimiter, true
	fields, err := c.Read()
	if err != nil {
		return nil
	}
	return trimmed(fields)
}

func trimmed(fields []string) []string {
	for i, f := range fields {
		fields[i] = strings.TrimSpace(f)
	}
	return fields
}

// isHeader reports whether the first line of a table names its columns: it has no image, but
// a usual name, or the next line has an image.
func isHeader(first, next []string) bool {
	if slices.ContainsFunc(first, picture.HasImageName) {
		return false
	}
	isLabel := func(name string) bool { return isLabelKey(name, "") }
	return slices.ContainsFunc(first, isPathColumn) ||
		slices.ContainsFunc(first, isLabel) ||
		slices.ContainsFunc(next, picture.HasImageName)
}

// listTable is a list with columns.
type listTable struct {
	path   string
	csv    *csv.Reader
	reader *labelReader
	visit  listVisit
	sets   *setColumns // if images have any number of labels; else nil

	header []string // names of the columns, nil without a header
	file   int      // column
	labels []int    // columns
	found  listRemarks
}

func newListTable(path, text string, delimiter rune, r *labelReader, visit listVisit) *listTable {
	c := csv.NewReader(strings.NewReader(text))
	c.Comma, c.FieldsPerRecord = delimiter, -1
	c.TrimLeadingSpace = delimiter != '\t' // a quote may follow a space; but tabs separate
	return &listTable{path: path, csv: c, reader: r, visit: visit}
}

// read visits the rows of the table.
func (t *listTable) read() error {
	first, line, err := t.next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	row, next, err := t.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if isHeader(first, row) {
		if err := t.columns(first, row); err != nil {
			return fmt.Errorf("data: %s:%d: %w", t.path, line, err)
		}
	} else {
		if t.reader.Key != "" {
			return fmt.Errorf("data: %s: data.label_key: %q names a column, but the table has no header",
				t.path, t.reader.Key)
		}
		t.row(line, first)
	}
	for err == nil {
		t.row(next, row)
		row, next, err = t.next()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// next returns the next row that is not empty, and its line; io.EOF after the last.
func (t *listTable) next() (row []string, line int, err error) {
	for {
		row, err := t.csv.Read()
		if errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		if err != nil {
			return nil, 0, t.malformed(err)
		}
		line, _ := t.csv.FieldPos(0)
		if row = trimmed(row); slices.ContainsFunc(row, func(f string) bool { return f != "" }) {
			return row, line, nil
		}
	}
}

func (t *listTable) malformed(err error) error {
	var at *csv.ParseError
	if !errors.As(err, &at) {
		return fmt.Errorf("data: %s: %w", t.path, err)
	}
	return fmt.Errorf("data: %s:%d: column %d: %w; "+
		"put a field with a quote or a separator in it into quotes, and double the quotes in it",
		t.path, at.Line, at.Column, at.Err)
}

// columns finds the columns of the path and of the labels in a header.
func (t *listTable) columns(header, next []string) error {
	t.header = header
	t.file = slices.IndexFunc(next, picture.HasImageName)
	best := len(pathColumns)
	for k, name := range header {
		if rank := slices.Index(pathColumns, plainKey(name)); rank >= 0 && rank < best {
			t.file, best = k, rank
		}
	}
	names := ListNames(header)
	for _, name := range header {
		if isPartColumn(name) && name != t.reader.Key {
			t.found.note = fmt.Sprintf("%s: column %.40q is ignored: all rows belong to this part; "+
				"write a file for each part", t.path, name)
		}
	}
	if t.file < 0 {
		return fmt.Errorf("the columns are %s: which has the images? Call it path, file or image", names)
	}
	if t.sets != nil {
		return t.sets.columns(t, next)
	}
	for k, name := range header {
		if k != t.file && isLabelKey(name, t.reader.Key) {
			t.labels = append(t.labels, k)
		}
	}
	switch other := 1 - t.file; {
	case len(t.labels) > 0:
	case t.reader.Key != "":
		return fmt.Errorf("data.label_key: there is no column %q; the columns are %s", t.reader.Key, names)
	case len(header) == 2 && !isPathColumn(header[other]):
		t.labels = []int{other} // whatever its name is
	case len(header) > 1:
		t.found.unlabelled = fmt.Sprintf("%s: the columns are %s: which has the labels? "+
			"Call it label, or name it with data.label_key", t.path, names)
	}
	return nil
}

// row visits a row.
func (t *listTable) row(line int, row []string) {
	label := sampleLabel{}
	if t.header == nil {
		if t.sets != nil {
			t.sets.bare(line, row)
			return
		}
		t.bare(line, row)
		return
	}
	var err error
	if extra := len(row) - len(t.header); extra > 0 && strings.Join(row[len(t.header):], "") == "" {
		row = row[:len(t.header)] // a separator at the end
	}
	if len(row) != len(t.header) {
		t.failed(line, t.otherFields(row))
		return
	}
	if row[t.file] == "" {
		err = errors.New("the path of the image is empty")
	}
	if t.sets != nil {
		if err != nil {
			t.failed(line, err)
			return
		}
		t.sets.row(t, line, row)
		return
	}
	for _, k := range t.labels {
		if row[k] == "" || err != nil {
			continue
		}
		from := ""
		if len(t.labels) > 1 {
			from = fmt.Sprintf("column %q", t.header[k])
		}
		err = label.add(t.reader, from, row[k], from == "")
	}
	t.visit(line, row[t.file], label, err)
}

// otherFields is the error of a row with more or fewer fields than the header.
func (t *listTable) otherFields(row []string) error {
	n, want := len(row), len(t.header)
	if n > want {
		return fmt.Errorf("%d fields, but the header has %d; put a field with a separator in it into quotes", n, want)
	}
	return fmt.Errorf("%d of the %d fields of the header; there is nothing for %s", n, want, ListNames(t.header[n:]))
}

// failed visits a wrong row.
func (t *listTable) failed(line int, err error) {
	if t.sets != nil {
		t.sets.visit(line, "", nil, err)
		return
	}
	t.visit(line, "", sampleLabel{}, err)
}

// bare visits a row of a table without a header: a path and a label, in either order.
func (t *listTable) bare(line int, row []string) {
	for len(row) > 2 && row[len(row)-1] == "" {
		row = row[:len(row)-1]
	}
	file, text := row[0], strings.Join(row[1:], string(t.csv.Comma))
	if len(row) == 2 && picture.HasImageName(row[1]) && !picture.HasImageName(file) {
		file, text = row[1], row[0]
	}
	label := sampleLabel{}
	named := false
	for _, sep := range []string{"", " "} { // a class name may contain separators
		if name := strings.Join(row[1:], string(t.csv.Comma)+sep); len(row) > 2 && !named {
			_, named = t.reader.byName[sameName(name)]
			text = name
		}
	}
	var err error
	switch {
	case len(row) == 1:
		visitPlain(line, file, t.reader, t.visit)
		return
	case len(row) > 2 && !named:
		err = fmt.Errorf("%d fields; want a path and a label, or a header that says what the columns are", len(row))
	case file == "":
		err = errors.New("the path of the image is empty")
	case text != "":
		err = label.add(t.reader, "", text, true)
	}
	t.visit(line, file, label, err)
}
