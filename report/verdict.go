package report

import (
	"fmt"
	"math"
	"slices"
	"time"

	"fasternet/eval"
	"fasternet/train"
)

// Verdict says how a run went.
type Verdict struct {
	State    string // finished, running, interrupted, diverged, failed or unfinished
	Figure   string // the most important figure, or ""
	What     string // what the figure measures
	Headline string
	Notes    []Note
}

// Note is a hint for the reader.
type Note struct {
	Kind string // good, bad or info
	Text string
}

// fresh is the largest age of the log of a run without a recorded end that still counts as
// running.
const fresh = 10 * time.Minute

// stateUnfinished is the state of a run whose last process has recorded no end.
const stateUnfinished = "unfinished"

// stateRunning is the state of a run that goes on.
const stateRunning = "running"

// State returns the state of the run at a time.
func (r *Run) State(now time.Time) string {
	s := r.last()
	switch {
	case s != nil && s.End != nil:
		return s.End.State
	case len(r.Epochs) >= r.Config.Train.Epochs:
		return train.Finished
	case now.Sub(r.Modified) < fresh:
		return stateRunning
	}
	return stateUnfinished
}

// Judge says how a run went.
func (r *Run) Judge(now time.Time) Verdict {
	v := Verdict{State: r.State(now)}
	best := r.Best()
	switch {
	case best == nil:
		v.Headline = "There is no evaluation yet."
	case r.Pretraining():
		v.Figure = fmt.Sprintf("%.4f", best.Loss)
		v.What = fmt.Sprintf("validation loss of the reconstruction, on %s", plural(best.Count, "image"))
	case r.MultiLabel():
		v.Figure = fmt.Sprintf("%.2f\u00a0%%", best.MAP)
		v.What = "mean average precision (mAP) over the labels, on the validation images"
	default:
		v.Figure = fmt.Sprintf("%.2f\u00a0%%", best.Top1)
		v.What = fmt.Sprintf("top-1 accuracy on %s", plural(best.Count, "validation image"))
	}
	if e := r.Evaluation; e != nil && best != nil {
		v.What = fmt.Sprintf("top-1 accuracy on %s", plural(e.Count, "validation image"))
	} else if best != nil && best.Count == 0 && !r.MultiLabel() { // the summary does not say how many
		if s := r.last(); s != nil {
			v.What = fmt.Sprintf("top-1 accuracy on %s", plural(s.ValImages, "validation image"))
			if r.Pretraining() {
				v.What = fmt.Sprintf("validation loss of the reconstruction, on %s", plural(s.ValImages, "image"))
			}
		}
	}
	if best != nil {
		v.Headline = fmt.Sprintf("The best of %s is the %s.",
			plural(len(r.Scores), "evaluated epoch"), ordinal(best.Epoch+1))
		if len(r.Scores) == 1 {
			v.Headline = fmt.Sprintf("Only epoch %d has been evaluated.", best.Epoch+1)
		}
	}
	v.Headline += " " + r.progress(v.State, r.Config.Train.Epochs)
	v.Notes = slices.Concat(
		r.endNotes(v.State), r.learningNotes(v.State), r.channelNotes(), r.classNotes(), r.costNotes())
	return v
}

// progress says how far the run has come.
func (r *Run) progress(state string, total int) string {
	done, took := r.done(), duration(r.took())
	switch state {
	case train.Finished:
		if b := r.Config.Train.Budget; b != "" {
			return fmt.Sprintf("%s in %s, with a budget of %s.", plural(int(done+0.5), "epoch"), took, b)
		}
		if int(done) < total {
			return fmt.Sprintf("It ended after %s of %s, in %s, as it got no better (train.patience).",
				epochs(done), plural(total, "epoch"), took)
		}
		return fmt.Sprintf("All %s took %s.", plural(total, "epoch"), took)
	case stateRunning:
		text := fmt.Sprintf("It is in epoch %d of %d", min(int(done)+1, total), total)
		if left := r.remaining(); left > 0 {
			text += ", with about " + duration(left) + " to go"
		}
		return text + "."
	case train.Stopped, train.Diverged, train.Failed, stateUnfinished:
		return fmt.Sprintf("It came to %s of %s in %s.", epochs(done), plural(total, "epoch"), took)
	}
	return fmt.Sprintf("Its last process ended with a state that this version does not know (%q), "+
		"after %s of %s in %s.",
		state, epochs(done), plural(total, "epoch"), took)
}

func (r *Run) endNotes(state string) (notes []Note) {
	resume := "train --resume continues it."
	switch state {
	case train.Finished, stateRunning:
	case train.Stopped:
		notes = append(notes, Note{"info", "It was stopped; " + resume})
	case train.Diverged, train.Failed:
		notes = append(notes, Note{"bad", r.last().End.Message})
	case stateUnfinished:
		notes = append(notes, Note{"bad", fmt.Sprintf(
			"No end is recorded: its process was killed, or the machine went down, after %s; %s",
			moment(r.Modified), resume)})
	default:
		notes = append(notes, Note{"bad", fmt.Sprintf("The log ends with an unknown state, %q; %s", state, resume)})
	}
	return notes
}

// learningNotes returns notes about the curves.
func (r *Run) learningNotes(state string) (notes []Note) {
	n := len(r.Scores)
	if n < 3 {
		return nil
	}
	last, lowest := r.Scores[n-1], r.Scores[0]
	for _, s := range r.Scores {
		if s.Loss < lowest.Loss {
			lowest = s
		}
	}
	span := max(1, n/10)
	before := r.Scores[n-1-span]
	switch {
	case last.Loss > 1.05*lowest.Loss && last.TrainLoss < lowest.TrainLoss:
		notes = append(notes, Note{"bad", fmt.Sprintf(
			"Overfitting: the validation loss was lowest after epoch %d (%.3f) and is %.3f at the end, "+
				"while the training loss still fell. "+
				"More augmentation, more weight decay or fewer epochs may help.",
			lowest.Epoch+1, lowest.Loss, last.Loss)})
	case state == train.Finished && last.Loss < 0.98*before.Loss:
		notes = append(notes, Note{"good", fmt.Sprintf(
			"The validation loss was still falling at the end (%.3f → %.3f from epoch %d to %d): "+
				"more epochs may help.",
			before.Loss, last.Loss, before.Epoch+1, last.Epoch+1)})
	}
	if norms := r.norms(); len(norms) > 20 {
		sorted := slices.Sorted(slices.Values(norms))
		if middle, top := sorted[len(sorted)/2], sorted[len(sorted)-1]; middle > 0 && top > 20*middle {
			at := r.Steps[slices.Index(norms, top)]
			notes = append(notes, Note{"info", fmt.Sprintf(
				"The gradient norm peaks at %s in epoch %d, while %s is usual; optim.clip_grad would clip it.",
				short(top), at.Epoch+1, short(middle))})
		}
	}
	return notes
}

// channelNotes warns of channels that have become copies of one another.
func (r *Run) channelNotes() (notes []Note) {
	const alike = 0.8
	for i := len(r.Epochs) - 1; i >= 0; i-- {
		for k, v := range r.Epochs[i].Similar {
			if v > alike {
				notes = append(notes, Note{"bad", fmt.Sprintf(
					"The hidden channels of stage %d are nearly the same: the mean cosine of their pairs is %.2f. "+
						"model.grn: true or a lower learning rate may keep them apart.",
					k+1, v)})
			}
		}
		if r.Epochs[i].Similar != nil {
			break
		}
	}
	return notes
}

func (r *Run) norms() []float64 {
	var norms []float64
	for _, s := range r.Steps {
		norms = append(norms, s.GradNorm)
	}
	return norms
}

// classNotes returns notes about the classes.
func (r *Run) classNotes() (notes []Note) {
	e := r.Evaluation
	if e == nil {
		return nil
	}
	scores := e.Confusion.Scores(e.Classes)
	if len(scores) < 2 {
		return nil
	}
	if chance := 100 / float64(len(scores)); e.Top1 < 1.5*chance {
		notes = append(notes, Note{"bad", fmt.Sprintf(
			"%.2f\u00a0%% is little better than guessing one of %d classes (%.2f\u00a0%%).",
			e.Top1, len(scores), chance)})
	}
	if n := len(e.Skipped); n > 0 {
		notes = append(notes, Note{"bad", plural(n, "validation image") + " could not be read and are not counted."})
	}
	eval.WorstFirst(scores)
	worst, text := scores[0], ""
	if worst.Correct == worst.Count {
		return notes
	}
	if worst.MistakenFor >= 0 {
		text = fmt.Sprintf(", most often taken for %s", eval.ClassName(e.Classes, worst.MistakenFor))
	}
	notes = append(notes, Note{"info", fmt.Sprintf(
		"The weakest class is %s: %.1f\u00a0%% of its images are recognised%s.",
		worst.Name, worst.Accuracy, text)})
	return notes
}

// costNotes returns notes about the time.
func (r *Run) costNotes() (notes []Note) {
	if _, waited := r.pace(); waited > 0.1 {
		notes = append(notes, Note{"bad", fmt.Sprintf(
			"Training waited for images %.0f\u00a0%% of its time: "+
				"more data.workers, a larger data.prefetch or smaller files would speed it up.",
			100*waited)})
	}
	if n := len(r.Launches); n > 1 {
		notes = append(notes, Note{"info", fmt.Sprintf("It was resumed %s.", times(n-1))})
	}
	return notes
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return count(n) + " times"
}

// finite reports whether a value can be drawn.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
