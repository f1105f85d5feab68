package train

import (
	"fmt"

	"fasternet/configs"
	"fasternet/optim"

	"gonum.org/v1/plot/plotter"
)

// Planned describes one epoch of a schedule.
type Planned struct {
	Epoch       int     // from 0
	First, Last float64 // learning rates of the first and the last step
	ImageSize   int
}

// Plan lists the epochs of a configuration, with this many optimizer steps each.
func Plan(c *configs.Config, steps int) []Planned {
	s := scheduleOf(c, steps)
	var plan []Planned
	for e := range c.Train.Epochs {
		plan = append(plan, Planned{e, s.At(e, 0), s.At(e, steps-1), c.Data.Scale(e)})
	}
	return plan
}

// scheduleOf returns the schedule of a configuration with this many updates per epoch.
func scheduleOf(c *configs.Config, steps int) optim.Schedule {
	return optim.Schedule{Sched: c.Sched, LR: c.Optim.LR, Epochs: c.Train.Epochs, Steps: steps}
}

// DrawSchedule draws the learning rate of a configuration over its epochs, with this many steps each, to an SVG file.
func DrawSchedule(path string, c *configs.Config, steps int) error {
	s, every := scheduleOf(c, steps), max(steps*c.Train.Epochs/5000, 1)
	var points plotter.XYs
	for i := 0; i < steps*c.Train.Epochs; i += every {
		points = append(points, plotter.XY{X: float64(i) / float64(steps), Y: s.At(i/steps, i%steps)})
	}
	return chart{
		title:  fmt.Sprintf("Learning rate (%s)", c.Sched.Form),
		x:      "epoch",
		y:      "learning rate",
		points: points,
	}.write(path)
}
