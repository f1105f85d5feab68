package report

import (
	"fmt"

	"fasternet/configs"
)

// comparison is what is said of several runs together.
type comparison struct {
	Charts      []*Chart
	Rows        []compared
	Differences []configs.Difference
}

// compared is a run in a line.
type compared struct {
	Name, Anchor, State       string
	Top1, Loss, Epoch, Epochs string
	Speed, Waited, Took       string
	Parameters                string
	Colour                    int
	Dashed, Best              bool
}

// compare lays runs beside each other.
func compare(views []*view) (*comparison, error) {
	c := &comparison{}
	var runs []*Run
	var settings []*configs.Config
	best := -1
	for i, v := range views {
		runs, settings = append(runs, v.Run), append(settings, v.Config)
		w := compared{
			Name: v.Name, Anchor: v.Anchor, State: v.Verdict.State, Colour: 1 + i%colours, Dashed: i >= colours,
			Epochs: fmt.Sprintf("%s of %d", epochs(v.done()), v.Config.Train.Epochs), Took: duration(v.took()),
		}
		if s := v.last(); s != nil {
			w.Parameters = count(s.Parameters)
		}
		if speed, waited := v.pace(); speed > 0 {
			w.Speed, w.Waited = short(speed), fmt.Sprintf("%.1f %%", 100*waited)
		}
		if s := v.Best(); s != nil {
			w.Loss, w.Epoch = fmt.Sprintf("%.4f", s.Loss), fmt.Sprint(s.Epoch+1)
			if !v.Pretraining() {
				w.Top1 = fmt.Sprintf("%.2f %%", s.Top1)
			}
			if best < 0 || v.better(*s, *views[best].Best()) {
				best = i
			}
		}
		c.Rows = append(c.Rows, w)
	}
	if best >= 0 && sameTask(runs) {
		c.Rows[best].Best = true
	}
	c.Charts = overlaid(runs)
	var err error
	c.Differences, err = configs.Differences(settings...)
	return c, err
}

// sameTask says whether the measures of all runs mean the same.
func sameTask(runs []*Run) bool {
	for _, r := range runs {
		if r.Config.Task != runs[0].Config.Task || r.Config.Checkpoint.Monitor != runs[0].Config.Checkpoint.Monitor {
			return false
		}
	}
	return true
}
