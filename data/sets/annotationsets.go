package sets

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/data/picture"
)

// readSets reads a list of images that have any number of labels each.
//
// In a plain list the labels follow the path of the image. In a table they are in a column
// labels, with a separator between them; or every class has its own column, with 1 if an image
// has the class and 0 if not. An image without labels has none of the classes.
func (d *Annotations) readSets(text string, labels Labels) error {
	s := &labelSets{Labels: labels}
	r := newLabelReader(labels)
	var bad []bool
	visit := func(line int, file string, texts []string, err error) {
		if strings.ContainsRune(file, '\n') {
			file, err = "", errors.New("the path of the image goes over several lines; is a quote missing?")
		}
		if err != nil {
			d.faults.Add("%s:%d: %w", d.list, line, err)
			texts = nil
		}
		bad = append(bad, err != nil)
		s.add(texts)
		d.files = append(d.files, filepath.FromSlash(file))
		d.lines = append(d.lines, int32(line))
	}
	delimiter := delimiterOf(d.list, text)
	separates := labels.Separator != "" && delimiter != 0 && strings.ContainsRune(labels.Separator, delimiter)
	if separates && !tableEnding(d.list) {
		delimiter = 0 // it stands between labels, not between columns
	}
	switch {
	case delimiter != 0:
		t := newListTable(d.list, text, delimiter, r, nil)
		t.sets = &setColumns{labels: &s.Labels, visit: visit}
		if err := t.read(); err != nil {
			return err
		}
		if t.found.note != "" {
			d.notes = append(d.notes, t.found.note)
		}
	case labels.Key != "":
		return fmt.Errorf("data: %s: data.label_key: %q names a column, but the file is not a table with a header",
			d.list, labels.Key)
	default:
		for i, row := range strings.Split(text, "\n") {
			if row = strings.TrimSpace(row); row != "" && (i > 0 || !plainHeader(row)) {
				visitPlainSet(i+1, row, &s.Labels, visit)
			}
		}
	}
	return d.settleSets(s, labels, bad)
}

// settleSets gives the images their labels.
func (d *Annotations) settleSets(s *labelSets, given Labels, bad []bool) error {
	if len(d.files) == 0 {
		return fmt.Errorf("data: %s: no images are listed", d.list)
	}
	d.sets, d.classes, d.kind = s.settle(func(i int, err error) {
		bad[i] = true
		d.faults.Add("%s: %w", d.place(i), err)
	})
	d.labels = slices.Repeat([]int32{-1}, len(d.files))
	d.notes = append(d.notes, describeSets(given, d.classes, &d.faults, d.list)...)
	d.checkFiles()
	d.checkRepeats(bad)
	return nil
}

func tableEnding(path string) bool {
	ending := strings.ToLower(filepath.Ext(path))
	return ending == ".csv" || ending == ".tsv"
}

// setVisit takes a line of a list: the file and its labels, or what is wrong with the line.
type setVisit func(line int, file string, texts []string, err error)

// visitPlainSet visits a line of a list that is not a table: a path, white space and labels.
func visitPlainSet(line int, row string, l *Labels, visit setVisit) {
	if quoted, ok := strings.CutPrefix(row, `"`); ok {
		if file, rest, ok := strings.Cut(quoted, `"`); ok && (rest == "" || isBlank(rest[0])) {
			visit(line, file, l.split(rest), nil)
			return
		}
	}
	at := -1 // the first blank after the name of an image
	for i := range len(row) {
		if isBlank(row[i]) && picture.HasImageName(row[:i]) {
			at = i
			break
		}
	}
	if at < 0 && !picture.HasImageName(row) {
		at = strings.IndexAny(row, " \t")
	}
	if at < 0 {
		visit(line, row, nil, nil)
		return
	}
	visit(line, row[:at], l.split(row[at:]), nil)
}

// setColumns finds the labels in a table of images with any number of them.
type setColumns struct {
	labels *Labels
	visit  setVisit
	text   int   // column with all labels, -1 if each class has a column
	each   []int // columns of the classes
}

// labelsNames are usual names for a column or a key with several labels, besides the names
// in isLabelKey.
var labelsNames = []string{
	"labels", "classes", "categories", "targets", "tags",
	"classnames", "labelnames", "classids", "labelids", "categoryids",
}

// isLabelsKey is isLabelKey for images with any number of labels.
func isLabelsKey(key, want string) bool {
	return isLabelKey(key, want) || want == "" && slices.Contains(labelsNames, plainKey(key))
}

// columns finds the columns of the labels in a header.
func (s *setColumns) columns(t *listTable, next []string) error {
	s.text = -1
	var others []int
	for k, name := range t.header {
		switch {
		case k == t.file:
		case isLabelsKey(name, s.labels.Key):
			if s.text >= 0 {
				return fmt.Errorf("columns %q and %q may both have the labels; say which with data.label_key",
					t.header[s.text], name)
			}
			s.text = k
		case !isPartColumn(name):
			others = append(others, k)
		}
	}
	names := ListNames(t.header)
	one := len(others) == 1 && len(next) == len(t.header) // the only column left, and its first value
	switch {
	case s.text >= 0:
		return nil
	case s.labels.Key != "":
		return fmt.Errorf("data.label_key: there is no column %q; the columns are %s", s.labels.Key, names)
	case len(others) == 0:
		return fmt.Errorf("the columns are %s: which has the labels? "+
			"Call it labels, or give every class a column of 0 and 1", names)
	case one && next[others[0]] != "" && !isFlag(next[others[0]]):
		s.text = others[0] // whatever its name is
		return nil
	}
	return s.columnsOfClasses(t, others)
}

// columnsOfClasses takes a column for each class: for the known classes, or else all columns.
func (s *setColumns) columnsOfClasses(t *listTable, others []int) error {
	first := map[string]int{}
	for _, k := range others {
		key := sameName(t.header[k])
		if at, twice := first[key]; twice {
			return fmt.Errorf("columns %d and %d are both called %q", at+1, k+1, t.header[k])
		}
		first[key] = k
	}
	if s.labels.Classes == nil {
		for _, k := range others {
			if t.header[k] == "" {
				return fmt.Errorf("column %d has no name, but the name of a class is needed", k+1)
			}
			s.each = append(s.each, k)
			s.labels.Classes = append(s.labels.Classes, t.header[k])
		}
		s.labels.Kind = LabelName
		return nil
	}
	var unused []string
	for _, k := range others {
		isThis := func(class string) bool { return sameName(class) == sameName(t.header[k]) }
		if !slices.ContainsFunc(s.labels.Classes, isThis) {
			unused = append(unused, t.header[k])
		}
	}
	for _, class := range s.labels.Classes {
		k, ok := first[sameName(class)]
		if !ok {
			return fmt.Errorf("there is no column for class %q; the columns are %s", class, ListNames(t.header))
		}
		s.each = append(s.each, k)
	}
	s.labels.Kind = LabelName
	if len(unused) > 0 {
		t.found.note = fmt.Sprintf("%s: columns that are not classes are ignored: %s", t.path, ListNames(unused))
	}
	return nil
}

// row visits a row of a table with a header; the row has the path of an image.
func (s *setColumns) row(t *listTable, line int, row []string) {
	if s.text >= 0 {
		s.visit(line, row[t.file], s.labels.split(row[s.text]), nil)
		return
	}
	var texts []string
	for _, k := range s.each {
		on, err := flag(row[k])
		if err != nil {
			s.visit(line, row[t.file], nil, fmt.Errorf("column %q: %w", t.header[k], err))
			return
		}
		if on {
			texts = append(texts, t.header[k])
		}
	}
	s.visit(line, row[t.file], texts, nil)
}

// bare visits a row of a table without a header: a path, and labels in one or several fields.
func (s *setColumns) bare(line int, row []string) {
	var texts []string
	for _, field := range row[1:] {
		texts = append(texts, s.labels.split(field)...)
	}
	if row[0] == "" {
		s.visit(line, "", nil, errors.New("the path of the image is empty"))
		return
	}
	s.visit(line, row[0], texts, nil)
}

func isFlag(text string) bool {
	_, err := flag(text)
	return err == nil
}

// flag reads whether an image has a class.
func flag(text string) (bool, error) {
	if n, ok := wholeNumber(text); ok && (n == 0 || n == 1) {
		return n == 1, nil
	}
	switch strings.ToLower(text) {
	case "true", "yes":
		return true, nil
	case "false", "no":
		return false, nil
	}
	if _, whole := wholeNumber(text); !whole && isFraction(text) {
		return false, fmt.Errorf("want 0 or 1, got %.40q: %w", text, errRegression)
	}
	return false, fmt.Errorf("want 1 for an image that has the class and 0 for one that does not, got %.40q; "+
		"if the column is not a class, list the classes in the file of data.classes", text)
}
