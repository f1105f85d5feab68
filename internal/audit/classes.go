package audit

import (
	"fmt"
	"strings"

	"fasternet/data"
	"fasternet/data/classes"
	"fasternet/eval"
)

// fewClasses is how many classes a finding names.
const fewClasses = 20

// classes reports classes without images, and classes that only one part has.
func (r *Report) classes(parts []part) {
	var train, val data.Dataset
	for _, p := range parts {
		switch p.split {
		case data.Train:
			train = p.Dataset
		case data.Val:
			val = p.Dataset
		}
	}
	if train != nil && data.CheckFaults(train, true) == nil {
		if err := data.CheckLabels(train, "training"); err != nil {
			r.add(Error, Classes, err.Error())
			return // the other findings would say the same
		}
	}
	r.Findings = append(r.Findings, classFindings(train, val)...)
}

// classFindings compares the classes of the parts; one of them may be nil.
func classFindings(train, val data.Dataset) (found []Finding) {
	whose := func(ds data.Dataset, of func(class, images int) bool) (names []string) {
		for c, n := range countClasses(ds) {
			if of(c, n) {
				names = append(names, eval.ClassName(ds.Classes(), c))
			}
		}
		return names
	}
	report := func(level Level, names []string, one, several string) {
		switch {
		case len(names) == 1:
			found = append(found, Finding{level, Classes, fmt.Sprintf(one, names[0]), nil})
		case len(names) > 1:
			found = append(found, Finding{level, Classes, fmt.Sprintf(several, len(names), list(names)), nil})
		}
	}
	if train == nil || val == nil {
		for _, ds := range []data.Dataset{train, val} {
			if ds != nil {
				report(Note, whose(ds, func(_, n int) bool { return n == 0 }),
					"class %q has no images",
					"%d classes have no images: %s")
			}
		}
		return found
	}
	match := classes.Compare(val.Classes(), train.Classes())
	inTrain, inVal := countClasses(train), countClasses(val)
	// the number of images of class c of the validation part
	trained := func(c int) int {
		if at := match.Index[c]; at >= 0 && at < len(inTrain) {
			return inTrain[at]
		}
		return 0
	}
	validated := make([]int, len(inTrain)) // validation images of each class of the training part
	for c, n := range inVal {
		if at := match.Index[c]; at >= 0 && at < len(validated) {
			validated[at] += n
		}
	}
	report(Error, whose(val, func(c, n int) bool { return n > 0 && trained(c) == 0 }),
		"class %q has images only in the validation part: it cannot be learned",
		"%d classes have images only in the validation part: they cannot be learned: %s")
	report(Note, whose(train, func(c, n int) bool { return n == 0 && validated[c] == 0 }),
		"class %q has no images",
		"%d classes have no images: %s")
	report(Note, whose(train, func(c, n int) bool { return n > 0 && validated[c] == 0 }),
		"class %q has no images in the validation part: its accuracy is not measured",
		"%d classes have no images in the validation part: their accuracy is not measured: %s")
	return found
}

// countClasses counts the samples of each class.
func countClasses(ds data.Dataset) []int {
	counts := make([]int, len(ds.Classes()))
	for i := range ds.Len() {
		for _, l := range data.LabelSet(ds, i) {
			if l >= 0 && l < len(counts) {
				counts[l]++
			}
		}
	}
	return counts
}

// list names the first few classes.
func list(names []string) string {
	text := strings.Join(names[:min(len(names), fewClasses)], ", ")
	if more := len(names) - fewClasses; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
