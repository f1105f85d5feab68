package metrics

// tally counts the images of a class, its answers, and the images that got it rightly.
type tally struct{ support, predicted, correct int }

func (t tally) precision() float64 { return ratio(t.correct, t.predicted) }
func (t tally) recall() float64    { return ratio(t.correct, t.support) }
func (t tally) f1() float64        { return ratio(2*t.correct, t.support+t.predicted) }

// f1Average holds the averages that the bootstrap needs too.
type f1Average struct{ macro, weighted, balanced float64 }

func averageF1(classes []tally) (a f1Average) {
	seen, labelled, images := 0, 0, 0
	for _, t := range classes {
		if t.support+t.predicted == 0 {
			continue
		}
		seen++
		f := t.f1()
		a.macro += f
		a.weighted += f * float64(t.support)
		if t.support > 0 {
			labelled++
			images += t.support
			a.balanced += t.recall()
		}
	}
	a.macro /= float64(seen)
	a.weighted /= float64(images)
	a.balanced /= float64(labelled)
	return a
}

// count computes the figures that depend only on labels and answers.
func (c *Collector) count(f *Figures) {
	classes := make([]tally, c.classes)
	for i := range c.images {
		x := &c.images[i]
		classes[x.label].support++
		if x.answer >= 0 {
			classes[x.answer].predicted++
		}
		if x.rank == 0 {
			classes[x.label].correct++
		}
		if !x.finite() {
			f.NotFinite++
		}
	}
	var all tally
	seen := 0
	for k, t := range classes {
		s := &f.Classes[k]
		s.Support, s.Predicted, s.Correct = t.support, t.predicted, t.correct
		s.Precision, s.Recall, s.F1 = t.precision(), t.recall(), t.f1()
		switch {
		case t.support == 0:
			f.NoImages = append(f.NoImages, k)
		case t.predicted == 0:
			f.NeverPredicted = append(f.NeverPredicted, k)
		}
		if t.support+t.predicted == 0 {
			continue
		}
		seen++
		all.support += t.support
		all.predicted += t.predicted
		all.correct += t.correct
		f.Precision.Macro += s.Precision
		f.Recall.Macro += s.Recall
		f.Precision.Weighted += s.Precision * float64(t.support)
		f.Recall.Weighted += s.Recall * float64(t.support)
	}
	f.Precision.Macro /= float64(seen)
	f.Recall.Macro /= float64(seen)
	f.Precision.Weighted /= float64(all.support)
	f.Recall.Weighted /= float64(all.support)
	f.Precision.Micro, f.Recall.Micro, f.F1.Micro = all.precision(), all.recall(), all.f1()
	a := averageF1(classes)
	f.F1.Macro, f.F1.Weighted, f.BalancedAccuracy = a.macro, a.weighted, a.balanced
	f.noteCounts()
}

func (f *Figures) noteCounts() {
	if n := len(f.NoImages); n > 0 {
		f.note("%d of the %d classes %s no images: %s",
			n, len(f.Classes), plural(n, "has", "have"), f.listed(f.NoImages))
	}
	if n := len(f.NeverPredicted); n > 0 {
		f.note("%d of the %d classes %s images, but %s never the answer: %s",
			n, len(f.Classes), plural(n, "has", "have"), plural(n, "is", "are"), f.listed(f.NeverPredicted))
	}
	if n := f.NotFinite; n > 0 {
		f.note("the logits of %d %s NaN or infinite, and count as wrong answers; "+
			"ECE, Brier score, NLL, ROC-AUC and average precision leave them out",
			n, plural(n, "image are", "images are"))
	}
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
