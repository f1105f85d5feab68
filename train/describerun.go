package train

import (
	"context"
	"fmt"
	"slices"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/eval"
	"fasternet/internal/printable"
	"fasternet/layers"
)

// describe shows what is trained, and how.
func (t *trainer) describe() {
	c := t.config
	batch := c.Train.BatchSize * c.Train.AccumSteps
	t.show.Line("%s", t.task.describe())
	t.show.Line("batch %d = %d × %d accumulated, %s with peak lr %g%s, %s, %s, %s, run folder %s",
		batch, c.Train.BatchSize, c.Train.AccumSteps, c.Optim.Opt, c.Optim.LR, describeLayers(c.Optim),
		printable.Count(c.Train.Epochs, "epoch"), printable.Count(t.pool.Workers(), "thread"), t.kernels(), t.dir)
	for _, line := range t.extras() {
		t.show.Line("%s", line)
	}
}

// showNotes shows what is unusual about the configuration, the data and the weights to start from.
func (t *trainer) showNotes() {
	for _, n := range slices.Concat(t.config.Notes, t.notes, t.pixelNotes()) {
		t.show.Line("note: %s", n)
	}
	for _, line := range t.origin {
		t.show.Line("%s", line)
	}
}

// pixelNotes warn about settings that lose something of the images, if more than a few of the inspected images
// are concerned.
func (t *trainer) pixelNotes() []string {
	const some, few = 256, 50 // one in 50 is few
	if t.ranks.Rank() != 0 {
		return nil
	}
	var traits data.Traits
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := t.promptly(t.patience, func() (err error) {
		traits, err = data.Survey(ctx, t.train, some, t.config.Data.Workers)
		return err
	})
	if err != nil {
		return nil
	}
	if traits.Turned*few < traits.Looked {
		traits.Turned = 0
	}
	_, warnings := data.DescribeTraits(t.train, traits)
	return warnings
}

// extras describes the optional parts of a run.
func (t *trainer) extras() (lines []string) {
	c := t.config
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if task, ok := t.task.(*classification); ok && task.teacher != nil {
		from := task.teacher.path
		if task.teacher.average {
			from = "the averaged weights (EMA) of " + from
		}
		add("%s distillation from %s, alpha %g, tau %g", c.Distill.Type, from, c.Distill.Alpha, c.Distill.Tau)
		if note := task.teacher.note; note != "" {
			add("note: distill.teacher: %s", note)
		}
	}
	if n := t.ranks.Size(); n > 1 {
		add("%d ranks share each batch, %s has %s%s",
			n, t.ranks.Name(t.ranks.Rank()), printable.Count(t.own, "sample"), describeNorms(t.task.store(), c.Train))
	}
	tensors, values := 0, 0
	for _, p := range t.task.store().Params() {
		if p.Frozen {
			tensors++
			values += p.Size()
		}
	}
	if tensors > 0 {
		add("frozen: %s with %s", printable.Count(tensors, "tensor"), printable.Count(values, "parameter"))
	}
	if t.ema != nil {
		add("averaged weights (EMA) with decay %g: the run evaluates them, and eval, "+
			"export and other commands use them",
			c.EMA.Decay)
	}
	if c.Train.Patience > 0 {
		add("the run ends early after %s without a better %s",
			printable.Count(c.Train.Patience, "evaluation"), c.Checkpoint.Monitor)
	}
	for _, note := range eval.Notes(t.config.Data, t.train, t.val) {
		add("note: %s", note)
	}
	return lines
}

// describeNorms says how batch norms work with several ranks.
func describeNorms(s *layers.Store, c configs.Train) string {
	switch {
	case len(s.Norms) == 0:
		return ""
	case c.SyncBatchNorm:
		return "; batch norms use the whole batch"
	case c.DistBN == "broadcast":
		return "; batch norms use these, and rank 0's running statistics are kept"
	}
	return "; batch norms use these, and the mean of the running statistics is kept"
}
