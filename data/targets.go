package data

import "fmt"

// SmoothTargets writes label-smoothed targets [B, K], where B is the number of labels and K
// the number of classes: smoothing/K everywhere, and 1 − smoothing more at the label (Szegedy
// et al., "Rethinking the Inception Architecture", 2016). With smoothing 0 they are one-hot.
func SmoothTargets(targets []float32, labels []int, classes int, smoothing float64) error {
	return blendTargets(targets, labels, classes, smoothing, 1)
}

// blendTargets writes λ times the smoothed target of each sample plus 1−λ times the target of
// its partner, sample B−1−i. There is one λ, or one for each sample.
func blendTargets(targets []float32, labels []int, classes int, smoothing float64, lambdas ...float64) error {
	if err := checkSmoothing(smoothing); err != nil {
		return err
	}
	if classes < 1 || len(targets) != len(labels)*classes {
		return fmt.Errorf("data: there are %d target values for %d samples of %d classes; %d are needed",
			len(targets), len(labels), classes, len(labels)*classes)
	}
	for i, label := range labels {
		if label < 0 || label >= classes {
			return fmt.Errorf("data: label %d of sample %d in the batch is not one of the %d classes; "+
				"targets need at least as many classes as the dataset has", label, i, classes)
		}
	}
	off := smoothing / float64(classes)
	on := 1 - smoothing + off
	for i, label := range labels {
		lambda := lambdas[i%len(lambdas)]
		// A target depends on whether the class is the label of the sample and of its partner.
		blend := func(sample, partner float64) float32 {
			return float32(float32(lambda)*float32(sample)) + float32(float32(1-lambda)*float32(partner))
		}
		row, neither := targets[i*classes:][:classes], blend(off, off)
		for k := range row {
			row[k] = neither
		}
		if partner := labels[len(labels)-1-i]; partner == label {
			row[label] = blend(on, on)
		} else {
			row[label], row[partner] = blend(on, off), blend(off, on)
		}
	}
	return nil
}

func checkSmoothing(smoothing float64) error {
	if !(smoothing >= 0 && smoothing <= 1) {
		return fmt.Errorf("data: label smoothing is %v; a number from 0 to 1 is needed", smoothing)
	}
	return nil
}
