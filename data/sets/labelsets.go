package sets

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fasternet/data"
)

// labelSets reads the labels of images that may have any number of them.
type labelSets struct {
	Labels
	texts [][]string // labels of each image, as written
}

// add adds the labels of the next image.
func (s *labelSets) add(texts []string) { s.texts = append(s.texts, texts) }

// split splits a text into labels. The separator is l.Separator, or else ; or | or a line end.
// Numbers may also have commas or blanks between them.
func (s *Labels) split(text string) []string {
	var parts []string
	if s.Separator != "" {
		if strings.TrimSpace(s.Separator) == "" {
			return strings.Fields(text)
		}
		parts = strings.Split(text, s.Separator)
	} else {
		parts = strings.FieldsFunc(text, func(c rune) bool { return c == ';' || c == '|' || c == '\n' })
		if len(parts) == 1 && strings.Trim(text, "0123456789, \t") == "" {
			parts = strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' })
		}
	}
	parts = trimmed(parts)
	return slices.DeleteFunc(parts, func(p string) bool { return p == "" })
}

// settle finds the classes that the labels mean. If there are no class names, the labels are
// numbers if all of them can be; otherwise they are names, and the classes are sorted as text.
// settle calls bad for each image with a wrong label.
func (s *labelSets) settle(bad func(image int, err error)) (sets [][]int32, classes []string, kind LabelKind) {
	sets = make([][]int32, len(s.texts))
	l := s.Labels
	if l.Classes == nil && s.areNames(bad) {
		l.Kind, l.Classes = LabelName, s.names()
	}
	r := newLabelReader(l)
	var images []int // the image of each label that was read
	for i, texts := range s.texts {
		for _, text := range texts {
			c, err := r.parse(text)
			if err != nil {
				bad(i, err)
				continue
			}
			r.add(c)
			images = append(images, i)
		}
	}
	if at, err := r.settle(); err != nil {
		bad(images[at], err)
	}
	for k, i := range images {
		sets[i] = append(sets[i], r.classes[k])
	}
	for i := range sets {
		slices.Sort(sets[i])
		sets[i] = slices.Compact(sets[i])
	}
	classes = r.classNames()
	if l.Classes != nil { // even if no image has a label
		classes = l.Classes
	}
	return sets, classes, r.kind()
}

// areNames says whether labels are names, if there is no list of classes. Real numbers are
// neither names nor classes.
func (s *labelSets) areNames(bad func(image int, err error)) bool {
	if s.Kind == LabelName {
		return true
	}
	names := false
	for i, texts := range s.texts {
		for k := 0; k < len(texts); k++ {
			_, whole := wholeNumber(texts[k])
			switch {
			case whole:
			case isFraction(texts[k]):
				bad(i, fmt.Errorf("label %.40q: %w", texts[k], errRegression))
				s.texts[i] = slices.Delete(texts, k, k+1)
				texts = s.texts[i]
				k--
			default:
				names = true
			}
		}
	}
	return names && s.Kind != LabelNumber
}

// names returns all labels, sorted as text.
func (s *labelSets) names() (names []string) {
	seen := map[string]bool{}
	for _, texts := range s.texts {
		for _, text := range texts {
			if key := sameName(text); !seen[key] {
				seen[key] = true
				names = append(names, text)
			}
		}
	}
	slices.Sort(names)
	return names
}

// errRegression says that real numbers cannot be labels.
var errRegression = errors.New("a real number is not a class; regression (predicting numbers) is not supported")

// describeSets checks class names that come from the labels, and notes possible mistakes.
func describeSets(l Labels, classes []string, faults *data.FaultList, file string) (notes []string) {
	if l.Classes != nil {
		return nil
	}
	if _, wrong := wrongName(classes); wrong != "" {
		faults.Add("%s: %s", file, wrong)
	}
	return nameNotes(classes)
}
