package report

import (
	"fmt"
	"strconv"

	"fasternet/configs"
)

// comparison compares several runs.
type comparison struct {
	Charts      []*Chart
	Columns     []string // of the cells of the rows
	Rows        []compared
	Differences []configs.Difference
}

// compared is a run in a row of the table.
type compared struct {
	Name, Anchor, State string
	Run                 int // its number, from 1
	Cells               []cell
	Colour              int
	Dashed, Best        bool
}

// cell is a figure as text, and the value to sort by; both are "" if it is not known.
type cell struct{ Text, Value string }

// compare makes a table of runs.
func compare(views []*view) (*comparison, error) {
	c := &comparison{Columns: []string{
		"top-1", "validation loss", "best epoch", "epochs", "img/s", "waiting", "time", "parameters",
	}}
	var runs []*Run
	var settings []*configs.Config
	best := -1
	for i, v := range views {
		runs, settings = append(runs, v.Run), append(settings, v.Config)
		var top1, loss, epoch, speed, waited, parameters cell
		if s := v.last(); s != nil {
			parameters = sortable(count(s.Parameters), float64(s.Parameters))
		}
		if images, lost := v.pace(); images > 0 {
			speed, waited = sortable(short(images), images), sortable(fmt.Sprintf("%.1f %%", 100*lost), lost)
		}
		if s := v.Best(); s != nil {
			loss = sortable(fmt.Sprintf("%.4f", s.Loss), s.Loss)
			epoch = sortable(fmt.Sprint(s.Epoch+1), float64(s.Epoch+1))
			if !v.Pretraining() && !v.MultiLabel() {
				top1 = sortable(fmt.Sprintf("%.2f %%", s.Top1), s.Top1)
			}
			if best < 0 || v.better(*s, *views[best].Best()) {
				best = i
			}
		}
		c.Rows = append(c.Rows, compared{
			Name:   v.Name,
			Anchor: v.Anchor,
			State:  v.Verdict.State,
			Run:    i + 1,
			Colour: 1 + i%colours,
			Dashed: i/colours%2 == 1,
			Cells: []cell{
				top1, loss, epoch,
				sortable(fmt.Sprintf("%s of %s", epochs(v.done()), count(v.Config.Train.Epochs)), v.done()),
				speed, waited, sortable(duration(v.took()), v.took().Seconds()), parameters,
			},
		})
	}
	if best >= 0 && sameTask(runs) {
		c.Rows[best].Best = true
	}
	c.Charts = overlaid(runs)
	var err error
	c.Differences, err = configs.Differences(settings...)
	return c, err
}

// sortable returns a figure as text with the value to sort by.
func sortable(text string, v float64) cell {
	if !finite(v) {
		return cell{Text: text}
	}
	return cell{text, strconv.FormatFloat(v, 'g', -1, 64)}
}

// sameTask reports whether all runs have the same task, so that their measures can be compared.
func sameTask(runs []*Run) bool {
	for _, r := range runs {
		if r.Config.Task != runs[0].Config.Task || r.Config.Checkpoint.Monitor != runs[0].Config.Checkpoint.Monitor {
			return false
		}
	}
	return true
}
