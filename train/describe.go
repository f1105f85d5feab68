package train

import "fmt"

// describe shows what is trained, and how.
func (t *trainer) describe() {
	c := t.config
	batch := c.Train.BatchSize * c.Train.AccumSteps
	t.show.Line("%s", t.task.describe())
	t.show.Line("batch %d = %d × %d accumulated, %s with peak lr %g%s, %d epochs, %d threads, %s, run folder %s",
		batch, c.Train.BatchSize, c.Train.AccumSteps, c.Optim.Opt, c.Optim.LR, describeLayers(c.Optim), c.Train.Epochs, t.pool.Workers(), t.kernels(), t.folder.Dir)
	for _, line := range t.extras() {
		t.show.Line("%s", line)
	}
}

// extras describes what not every run has.
func (t *trainer) extras() (lines []string) {
	c := t.config
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if task, ok := t.task.(*classification); ok && task.teacher != nil {
		add("%s distillation from %s, alpha %g, tau %g", c.Distill.Type, task.teacher.path, c.Distill.Alpha, c.Distill.Tau)
	}
	tensors, values := 0, 0
	for _, p := range t.task.store().Params() {
		if p.Frozen {
			tensors++
			values += p.Size()
		}
	}
	if tensors > 0 {
		add("frozen: %d tensors with %d parameters", tensors, values)
	}
	if t.ema != nil {
		add("averaged weights (EMA) with decay %g: their evaluation counts; eval and others take them by --ema", c.EMA.Decay)
	}
	if c.Train.Patience > 0 {
		add("the run ends early after %d evaluations without a better %s", c.Train.Patience, c.Checkpoint.Monitor)
	}
	return lines
}
