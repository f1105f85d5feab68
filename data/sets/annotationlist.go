package sets

import (
	"fmt"
	"strings"

	"fasternet/data/picture"
)

// listVisit takes a line of a list of images, with the file and its label, or with what
// is wrong with the line.
type listVisit func(line int, file string, label sampleLabel, err error)

// listRemarks are what a list says besides its lines.
type listRemarks struct {
	unlabelled string // why a table with several columns has no labels
	note       string // what may not be meant
}

// readList visits the lines of an annotation file.
func readList(path, text string, r *labelReader, visit listVisit) (listRemarks, error) {
	if delimiter := delimiterOf(path, text); delimiter != 0 {
		t := newListTable(path, text, delimiter, r, visit)
		err := t.read()
		return t.found, err
	}
	if r.Key != "" {
		return listRemarks{}, fmt.Errorf("data: %s: data.label_key: %q is to be a column, but the file is no table with a header", path, r.Key)
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

// visitPlain takes a line apart that is not one of a table.
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

// plainHeader reports whether a line is the header of a list of paths, with labels or
// without.
func plainHeader(row string) bool {
	words := strings.Fields(row)
	return len(words) > 0 && isPathColumn(words[0]) && (len(words) == 1 || len(words) == 2 && isLabelKey(words[1], ""))
}

// splitLine takes the path and the label of a line apart; the label is "" if there is
// none. A path may be in quotes.
func splitLine(row string, r *labelReader) (file, label string) {
	if quoted, ok := strings.CutPrefix(row, `"`); ok {
		if file, label, ok := strings.Cut(quoted, `"`); ok && (label == "" || isBlank(label[0])) {
			return file, strings.Trim(strings.TrimSpace(label), `"`)
		}
	}
	if picture.HasImageName(row) {
		return row, ""
	}
	at, named, image := -1, -1, -1 // blanks: the last one, before a name, after an image
	for i := len(row) - 1; i >= 0; i-- {
		if !isBlank(row[i]) {
			continue
		}
		if at < 0 {
			at = i
		}
		if word := row[:i]; image < 0 && picture.HasImageName(word[strings.LastIndexAny(word, " \t")+1:]) {
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
			named = i // the longest name counts
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
