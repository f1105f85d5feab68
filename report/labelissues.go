package report

import (
	"fmt"

	"fasternet/eval"
)

// shownIssues is how many images with probably wrong labels have a picture; the others are listed.
const shownIssues = 18

// issues holds labels that are probably wrong.
type issues struct {
	Count      int
	Pictures   []Picture
	Missing    string // why there are no pictures
	Rows       []issue
	AnswerOnly bool // see [eval.LabelIssues]
}

// issue is a row of their table.
type issue struct{ File, Label, Given, Suggested, Probability string }

func (a *album) issues(r *Run) *issues {
	if r.Evaluation == nil || r.Evaluation.LabelIssues == nil {
		return nil
	}
	e := r.Evaluation
	out := &issues{Count: e.LabelIssues.Count, AnswerOnly: e.LabelIssues.Answer}
	var samples []shown
	for _, x := range e.LabelIssues.Listed {
		row := issue{
			r.file(x.Name), eval.ClassName(e.Classes, x.Label), fmt.Sprintf("%.1f %%", 100*x.Given),
			eval.ClassName(e.Classes, x.Suggested), fmt.Sprintf("%.1f %%", 100*x.Probability),
		}
		out.Rows = append(out.Rows, row)
		if len(samples) < shownIssues {
			samples = append(samples, shown{
				x.Index, x.Name, "labelled " + row.Label,
				fmt.Sprintf("%s, perhaps %s, %s", row.Given, row.Suggested, row.Probability),
			})
		}
	}
	out.Pictures, out.Missing = a.pictures(r, samples)
	return out
}
