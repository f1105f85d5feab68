package data

import "fmt"

// Unlabelled reports whether the samples of a dataset have no labels: all are of one class
// whose name is empty.
func Unlabelled(ds Dataset) bool {
	classes := ds.Classes()
	return len(classes) == 1 && classes[0] == ""
}

// CountClasses returns the number of samples of each class. A sample with several labels
// counts for each. It is an error when a label is not one of the classes.
func CountClasses(ds Dataset) ([]int, error) {
	counts := make([]int, len(ds.Classes()))
	for i := range ds.Len() {
		labels, err := checkLabelSet(ds, i)
		if err != nil {
			return nil, err
		}
		for _, l := range labels {
			counts[l]++
		}
	}
	return counts, nil
}

// Noter is a dataset whose opener noticed something that is allowed, but may be a mistake.
type Noter interface{ Notes() []string }

// NotesOf lists what the opener of a dataset noticed. For a part of a dataset it lists the
// notes of the whole.
func NotesOf(ds Dataset) []string {
	if n, ok := undivided(ds).(Noter); ok {
		return n.Notes()
	}
	return nil
}

// LabelHinter is a dataset that says where its labels come from, or returns "".
type LabelHinter interface{ LabelHint() string }

// UnlabelledReasoner is a dataset that says why it has no labels, or returns "".
type UnlabelledReasoner interface{ WhyUnlabelled() string }

// CheckLabels returns an error unless a classifier can be trained on a dataset: its
// samples have labels, from two classes at least. part is a word for the message, such as
// "training", or "".
func CheckLabels(ds Dataset, part string) error {
	images, hint := "images", ""
	if part != "" {
		images = part + " images"
	}
	if h, ok := undivided(ds).(LabelHinter); ok && h.LabelHint() != "" {
		hint = "; " + h.LabelHint()
	}
	if Unlabelled(ds) {
		why := ""
		if r, ok := undivided(ds).(UnlabelledReasoner); ok && r.WhyUnlabelled() != "" {
			why = ": " + r.WhyUnlabelled()
		}
		return fmt.Errorf("data: the %d %s have no labels, which a classifier needs%s%s", ds.Len(), images, why, hint)
	}
	if IsMultiLabel(ds) {
		return checkMultiLabels(ds, images, hint)
	}
	counts, err := CountClasses(ds)
	if err != nil {
		return err
	}
	with, last := 0, 0
	for c, n := range counts {
		if n > 0 {
			with++
			last = c
		}
	}
	switch with {
	case 0:
		return fmt.Errorf("data: there are no %s", images)
	case 1:
		return fmt.Errorf("data: all %d %s are of one class, %q, and a classifier needs two or more%s",
			ds.Len(), images, ds.Classes()[last], hint)
	}
	return nil
}
