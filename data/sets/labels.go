package sets

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// maxClasses limits the labels in a file: about a million classes.
const maxClasses = 1 << 20

// LabelKind says how labels are written.
type LabelKind string

// The kinds.
const (
	LabelAuto   LabelKind = "auto"   // names or numbers, as the labels of the data set show
	LabelNumber LabelKind = "number" // the number of a class, from 0
	LabelName   LabelKind = "name"   // the name of a class
)

// Labels says what the labels in a list or a shard mean.
type Labels struct {
	// Classes are the names of the classes. With nil the names are numbers, from 0 to the
	// largest label.
	Classes []string
	From    string    // where Classes come from, for messages: a file, [FromTraining] or ""
	Kind    LabelKind // "" is LabelAuto
	Key     string    // column, member or JSON key of the label; "" for the usual ones

	// Multi says that images have any number of labels. Separator stands between them in a
	// text; "" means ; or |.
	Multi     bool
	Separator string
}

// FromTraining is the value of From if the classes come from the labels of the training part.
const FromTraining = "the training part"

// check returns an error if the kind is unknown.
func (l Labels) check() error {
	switch l.Kind {
	case "", LabelAuto, LabelNumber, LabelName:
		return nil
	}
	return fmt.Errorf("data: unknown kind of labels %q; use %s, %s or %s",
		string(l.Kind), LabelAuto, LabelNumber, LabelName)
}

// Ambiguous reports whether a number may be the name of a class with another number. Then only
// the labels of a whole data set show which one is meant.
func (l Labels) Ambiguous() bool {
	for i, name := range l.Classes {
		if n, ok := wholeNumber(name); ok && n != int64(i) && n >= 0 && n < int64(len(l.Classes)) {
			return l.Kind == LabelAuto || l.Kind == ""
		}
	}
	return false
}

// class has the two meanings of a label: the class with this name, and the class with this
// number; -1 for none.
type class struct{ name, number int32 }

var noClass = class{-1, -1}

// meet returns what two labels of one sample can both mean.
func (c class) meet(other class) (class, bool) {
	is := func(k int32) int32 {
		if k >= 0 && (k == other.name || k == other.number) {
			return k
		}
		return -1
	}
	both := class{is(c.name), is(c.number)}
	return both, both != noClass
}

// labelReader reads the labels of a data set.
type labelReader struct {
	Labels
	byName  map[string]int32  // by sameName
	longest int               // bytes of the longest name
	folded  map[string]string // names by foldedName; made on first use

	classes        []int32 // of the samples so far
	unsure         []unsure
	names, numbers bool // there was a label that can only be a name, or only a number
	most           int  // the largest class
}

// unsure is a sample whose label may be a name or a number.
type unsure struct {
	sample int
	class  class
}

func newLabelReader(l Labels) *labelReader {
	r := &labelReader{Labels: l, byName: make(map[string]int32, len(l.Classes)), most: -1}
	for i, name := range l.Classes {
		r.byName[sameName(name)] = int32(i)
		r.longest = max(r.longest, len(name), len(norm.NFD.String(name)))
	}
	return r
}

// parse reads a label: the name of a class, or its number, perhaps written as a float (3.0).
// The error says why it is not a label.
func (r *labelReader) parse(text string) (class, error) {
	text = strings.TrimSpace(text)
	c := noClass
	if k, ok := r.byName[sameName(text)]; ok && r.Kind != LabelNumber {
		c.name = k
	}
	n, isNumber := wholeNumber(text)
	if isNumber && r.Kind != LabelName && n >= 0 && n < int64(r.limit()) {
		c.number = int32(n)
	}
	if c == noClass {
		return c, r.wrong(text, n, isNumber)
	}
	return c, nil
}

// limit returns how many classes there may be.
func (r *labelReader) limit() int {
	if r.Classes == nil {
		return maxClasses
	}
	return len(r.Classes)
}

// wrong says why a text is not a label.
func (r *labelReader) wrong(text string, n int64, isNumber bool) error {
	count, from := len(r.Classes), r.From
	if from != "" {
		from = " of " + from
	}
	switch {
	case text == "":
		return errors.New("the label is empty")
	case r.Kind == LabelName && r.Classes == nil:
		return fmt.Errorf("label %.40q: labels by name need data.classes, a file with the name of a class in each line",
			text)
	case r.Kind == LabelName:
		return fmt.Errorf("label %.40q is not one of the %d class names%s%s", text, count, from, r.near(text))
	case isNumber && n < 0:
		return fmt.Errorf("label %.40s is negative; labels are numbers from 0", text)
	case isNumber && r.Classes == nil:
		return fmt.Errorf("label %.40s is not from 0 to %d", text, maxClasses-1)
	case isNumber && r.From == FromTraining:
		return fmt.Errorf("label %.40s is not a class of the training part, whose labels end at %d", text, count-1)
	case isNumber && n == int64(count):
		return fmt.Errorf("label %.40s is not below the number of classes, %d%s; labels count from 0",
			text, count, from)
	case isNumber:
		return fmt.Errorf("label %.40s is not below the number of classes, %d%s", text, count, from)
	case isFraction(text):
		return fmt.Errorf("label %.40s is not a whole number: %w", text, errRegression)
	case r.Kind == LabelNumber:
		return fmt.Errorf("label %.40q is not a number", text)
	case r.Classes == nil:
		return fmt.Errorf("label %.40q is not a number; "+
			"labels by name need data.classes, a file with the name of a class in each line%s",
			text, r.severalHint(text))
	}
	return fmt.Errorf("label %.40q is neither a number nor one of the %d class names%s%s%s",
		text, count, from, r.near(text), r.severalHint(text))
}

// near hints at a class whose name differs only in case or white space.
func (r *labelReader) near(text string) string {
	if r.folded == nil {
		r.folded = make(map[string]string, len(r.Classes))
		for _, name := range r.Classes {
			r.folded[foldedName(name)] = name
		}
	}
	if name, ok := r.folded[foldedName(text)]; ok {
		return fmt.Sprintf("; did you mean %q?", name)
	}
	return ""
}

// severalHint says what to do if a label looks like several labels.
func (r *labelReader) severalHint(text string) string {
	if !r.Multi && strings.ContainsAny(text, ";|") {
		return "; images with several labels need the task multilabel"
	}
	return ""
}

// add adds the label of the next sample.
func (r *labelReader) add(c class) {
	switch {
	case c.name < 0:
		r.numbers = true
		r.classes = append(r.classes, c.number)
	case c.number < 0:
		r.names = true
		r.classes = append(r.classes, c.name)
	default:
		if c.name != c.number {
			r.unsure = append(r.unsure, unsure{len(r.classes), c})
		}
		r.classes = append(r.classes, c.name)
	}
	r.most = max(r.most, int(r.classes[len(r.classes)-1]))
}

// addNone adds a sample without a label.
func (r *labelReader) addNone() { r.classes = append(r.classes, 0) }

// kind returns what the labels seen so far turned out to be.
func (r *labelReader) kind() LabelKind {
	switch {
	case r.Kind == LabelName, r.Kind == LabelNumber:
		return r.Kind
	case r.names && !r.numbers:
		return LabelName
	case r.numbers && !r.names:
		return LabelNumber
	}
	return LabelAuto
}

// settle decides for all samples whether labels that can be both are names or numbers: all
// labels of a data set are written in one way. If this is not clear, the error is about the
// sample that it returns.
func (r *labelReader) settle() (sample int, err error) {
	kind := r.kind()
	for _, u := range r.unsure {
		switch kind {
		case LabelName:
			r.classes[u.sample] = u.class.name
		case LabelNumber:
			r.classes[u.sample] = u.class.number
		default:
			text := r.Classes[u.class.name]
			return u.sample, fmt.Errorf("label %s may be the name of class %d or the number of class %d, %q: "+
				"say which with data.label_kind, name or number",
				text, u.class.name, u.class.number, r.Classes[u.class.number])
		}
	}
	return 0, nil
}

// classNames returns the names of the classes; call it after the last label.
func (r *labelReader) classNames() []string {
	switch {
	case r.most < 0: // no sample has a label
		return []string{""}
	case r.Classes != nil:
		return r.Classes
	}
	return numbered(r.most + 1)
}

// wholeNumber reads an integer, perhaps with a point and zeros after it. If it does not fit
// into an int64, the result is the largest or the smallest.
func wholeNumber(text string) (n int64, ok bool) {
	digits, zeros, _ := strings.Cut(text, ".")
	if strings.Trim(zeros, "0") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// isFraction reports whether a text is a number that is not whole.
func isFraction(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil && strings.ContainsAny(text, "0123456789")
}
