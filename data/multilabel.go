package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MultiLabelled is a dataset whose samples may have any number of labels.
type MultiLabelled interface {
	// LabelSets returns the class indices of each sample, ascending and without repetition.
	// It returns nil if each sample has one label, which Label returns; otherwise Label is -1.
	LabelSets() [][]int32
}

// IsMultiLabel reports whether the samples of a dataset may have any number of labels.
func IsMultiLabel(ds Dataset) bool {
	m, ok := undivided(ds).(MultiLabelled)
	return ok && m.LabelSets() != nil
}

// LabelSet returns the classes of sample i, ascending: just one, if each sample has one label.
func LabelSet(ds Dataset, i int) []int {
	switch v := ds.(type) {
	case relabelled:
		var labels []int
		for _, l := range LabelSet(v.Dataset, i) {
			labels = append(labels, v.index[l])
		}
		slices.Sort(labels)
		return slices.Compact(labels)
	case wrapper:
		return LabelSet(v.unwrap(i))
	case MultiLabelled:
		if sets := v.LabelSets(); sets != nil {
			labels := make([]int, len(sets[i]))
			for k, l := range sets[i] {
				labels[k] = int(l)
			}
			return labels
		}
	}
	return []int{ds.Label(i)}
}

// checkLabelSet returns the classes of sample i, or an error if one of them does not exist.
func checkLabelSet(ds Dataset, i int) ([]int, error) {
	labels := LabelSet(ds, i)
	for _, l := range labels {
		if l < 0 || l >= len(ds.Classes()) {
			return nil, fmt.Errorf("data: %s: label %d is not one of the %d classes",
				ds.Name(i), l, len(ds.Classes()))
		}
	}
	return labels, nil
}

// LabelNames returns the labels of sample i in words: the name of its class, the names of
// all its classes, or "no label". A class without a name is called by its number. It
// returns "" if the dataset has no labels.
func LabelNames(ds Dataset, i int) string {
	if Unlabelled(ds) {
		return ""
	}
	var names []string
	classes := ds.Classes()
	for _, l := range LabelSet(ds, i) {
		name := strconv.Itoa(l)
		if l >= 0 && l < len(classes) && classes[l] != "" {
			name = classes[l]
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "no label"
	}
	return strings.Join(names, ", ")
}

// checkMultiLabels is [CheckLabels] for samples with any number of labels.
func checkMultiLabels(ds Dataset, images, hint string) error {
	counts, err := CountClasses(ds)
	if err != nil {
		return err
	}
	switch {
	case ds.Len() == 0:
		return fmt.Errorf("data: there are no %s", images)
	case len(counts) == 0 || slices.Max(counts) == 0:
		return fmt.Errorf("data: none of the %d %s has a label%s", ds.Len(), images, hint)
	}
	return nil
}

// SmoothLabelSets writes targets [B, K] for samples with any number of labels: 1 at each
// label and 0 elsewhere. With smoothing they are 1 − smoothing/2 and smoothing/2, because
// each class is a choice of two.
func SmoothLabelSets(targets []float32, labels [][]int, classes int, smoothing float64) error {
	return blendLabelSets(targets, labels, classes, smoothing, 1)
}

// blendLabelSets is blendTargets for samples with any number of labels.
func blendLabelSets(targets []float32, labels [][]int, classes int, smoothing float64, lambdas ...float64) error {
	if err := checkSmoothing(smoothing); err != nil {
		return err
	}
	if classes < 1 || len(targets) != len(labels)*classes {
		return fmt.Errorf("data: there are %d target values for %d samples of %d classes; %d are needed",
			len(targets), len(labels), classes, len(labels)*classes)
	}
	off := smoothing / 2
	on := 1 - off
	for i, own := range labels {
		lambda := lambdas[i%len(lambdas)]
		blend := func(sample, partner float64) float32 {
			return float32(float32(lambda)*float32(sample)) + float32(float32(1-lambda)*float32(partner))
		}
		// A target depends on whether the class is a label of the sample and of its partner.
		row, partner := targets[i*classes:][:classes], labels[len(labels)-1-i]
		neither := blend(off, off)
		for k := range row {
			row[k] = neither
		}
		for _, set := range [][]int{own, partner} {
			for _, l := range set {
				if l < 0 || l >= classes {
					return fmt.Errorf("data: label %d of sample %d in the batch is not one of the %d classes; "+
						"targets need at least as many classes as the dataset has", l, i, classes)
				}
				values := [2]float64{off, off}
				if slices.Contains(own, l) {
					values[0] = on
				}
				if slices.Contains(partner, l) {
					values[1] = on
				}
				row[l] = blend(values[0], values[1])
			}
		}
	}
	return nil
}
