package sets

import (
	"fmt"
	"strings"

	"fasternet/data/picture"
)

// listVisit takes a line of a list of images: the file and its label, or what is wrong with the
// line.
type listVisit func(line int, file string, label sampleLabel, err error)

// listRemarks has what a list says besides its lines.
type listRemarks struct {
	unlabelled string // why a table with several columns has no labels
	note       string // something that is allowed, but may be a mistake
}

// readList visits the lines of an annotation file.
func readList(path, text string, r *labelReader, visit listVisit) (listRemarks, error) {
	if delimiter := delimiterOf(path, text); delimiter != 0 {
		t := newListTable(path, text, delimiter, r, visit)
		err := t.read()
		return t.found, err
	}
	if r.Key != "" {
		return listRemarks{}, fmt.Errorf("data: %s: data.label_key: %q names a column, "+
			"but the file is not a table with a header", path, r.Key)
	}
	line := 0
	for text != "" {
		row, rest, _ := strings.Cut(text, "\n")
		text = rest
		line++
		row = strings.TrimSpace(row)
		if row == "" || line == 1 && plainHeader(row) {
			continue
		}
		visitPlain(line, row, r, visit)
	}
	return listRemarks{}, nil
}

// visitPlain visits a line of a list that is not a table.
func visitPlain(line int, row string, r *labelReader, visit listVisit) {
	file, text := splitLine(row, r)
	label := sampleLabel{}
	var err error
	switch {
	case file == "":
		err = fmt.Errorf("want the path of an image and a label, got %.60q", row)
	case text != "":
		err = label.add(r, "", text, true)
	}
	visit(line, file, label, err)
}

// plainHeader reports whether a line is the header of a list that is not a table: a name for
// paths, and perhaps one for labels.
func plainHeader(row string) bool {
	words := strings.Fields(row)
	if len(words) == 0 || !isPathColumn(words[0]) {
		return false
	}
	return len(words) == 1 || len(words) == 2 && isLabelKey(words[1], "")
}

// splitLine splits a line into the path and the label, which is "" if there is none. A path
// may be in quotes.
func splitLine(row string, r *labelReader) (file, label string) {
	if quoted, ok := strings.CutPrefix(row, `"`); ok {
		if file, label, ok := strings.Cut(quoted, `"`); ok && (label == "" || isBlank(label[0])) {
			return file, strings.Trim(strings.TrimSpace(label), `"`)
		}
	}
	if picture.HasImageName(row) {
		return row, ""
	}
	at, named, image := -1, -1, -1 // blanks: the last one, one before a class name, one after an image
	for i := len(row) - 1; i >= 0; i-- {
		if !isBlank(row[i]) {
			continue
		}
		if at < 0 {
			at = i
		}
		word := row[:i]
		word = word[strings.LastIndexAny(word, " \t")+1:]
		if image < 0 && picture.HasImageName(word) {
			image = i
		}
		label := strings.TrimSpace(row[i:])
		if len(label) > r.longest {
			if image >= 0 {
				break
			}
			continue
		}
		if _, ok := r.byName[sameName(label)]; ok {
			named = i // in the end the longest name counts
		}
	}
	switch {
	case named >= 0 && r.Kind != LabelNumber:
		at = named
	case image >= 0:
		at = image
	case at < 0:
		return row, ""
	}
	return strings.TrimSpace(row[:at]), strings.TrimSpace(row[at:])
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
