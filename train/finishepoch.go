package train

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/eval"
	"fasternet/internal/printable"
)

// finishEpoch evaluates the model, and writes logs and checkpoints.
func (t *trainer) finishEpoch(ctx context.Context, lr float64) error {
	p, c := &t.progress, t.config
	last := t.last() || t.until > 0 && p.Epoch+1 >= t.until
	evaluated := last || (p.Epoch+1)%c.Train.ValInterval == 0
	defer t.between(evaluated)
	s := Score{Epoch: p.Epoch, LR: lr, TrainLoss: p.LossSum / float64(max(p.LossCount, 1))}
	var found string // the result in words
	if evaluated {
		var err error
		if found, err = t.evaluate(ctx, &s); err != nil {
			if errors.Is(err, ErrInterrupted) {
				return t.interrupt(err)
			}
			return err
		}
		for _, r := range []*eval.Result{&s.Result, s.Plain} {
			if r != nil && !finite(r.Loss) { // a record cannot hold it
				return &DivergedError{Epoch: p.Epoch, Step: max(p.Step-1, 0), Loss: r.Loss}
			}
		}
	}
	if err := t.recordEpoch(s, found); err != nil {
		return err
	}
	if err := t.draw(context.WithoutCancel(ctx)); err != nil { // also if the run is asked to stop
		return err
	}
	p.Epoch, p.Step, p.LossSum, p.LossCount, p.ScaleSums = p.Epoch+1, 0, 0, 0, nil
	p.NormSum, p.NormCount, p.Window = 0, 0, Window{}
	if !evaluated {
		return t.saveEpoch(last, nil, nil)
	}
	p.Last = s
	if task, ok := t.task.(*multiLabel); ok {
		p.Thresholds = task.last.Thresholds
	}
	p.wait(s, c.Checkpoint.Monitor, c.Train.MinDelta)
	if last = last || t.stale(); t.stale() {
		t.show.Line("no better %s in %s (train.patience): ending the run after epoch %d",
			c.Checkpoint.Monitor, printable.Count(p.Stale, "evaluation"), p.Epoch)
	}
	best := p.Best == nil || s.Better(*p.Best, c.Checkpoint.Monitor)
	if best {
		p.Best = &s
	}
	p.rank(s, c.Checkpoint.Monitor, c.Checkpoint.TopK)
	var names []string
	if best {
		// Records are written before the checkpoint. If the run is killed between the two, it has the earlier
		// best checkpoint, and this evaluation does not count.
		if err := t.keepEvaluation(s.Epoch); err != nil {
			return err
		}
		names = append(names, checkpoints.Best)
	}
	if slices.ContainsFunc(p.TopK, func(k Score) bool { return k.Epoch == s.Epoch }) {
		names = append(names, checkpoints.Epoch(s.Epoch))
	}
	return t.saveEpoch(last, names, p.Dropped)
}

// dropEpochs removes the checkpoints of epochs that are no longer among the best.
func (t *trainer) dropEpochs(epochs []int) error {
	for _, e := range epochs {
		if err := t.folder.dropEpoch(e); err != nil {
			return err
		}
	}
	return nil
}

// saveEpoch writes the checkpoints of an epoch, and then the last one if it is due. It removes the dropped epochs
// after a checkpoint says so.
func (t *trainer) saveEpoch(last bool, names []string, drop []int) error {
	if last || t.progress.Epoch%t.config.Checkpoint.EveryEpochs == 0 {
		names = append(names, checkpoints.Last)
	}
	return t.saveUnder(names, drop)
}

// evaluate measures the model for a score and describes the result. With EMA it measures the last weights and
// their average, which counts.
func (t *trainer) evaluate(ctx context.Context, s *Score) (found string, err error) {
	if err := t.beforeChange(); err != nil { // averaged weights are swapped with the last ones
		return "", err
	}
	began := clock()
	defer func() { t.evaluated = since(began) }()
	if s.Result, err = t.measure(ctx, "validation"); err != nil {
		return "", err
	}
	found = t.task.result(s.Result)
	if t.ema == nil {
		return found, nil
	}
	plain := s.Result
	s.Plain = &plain
	t.ema.Exchange()
	defer t.ema.Exchange()
	if s.Result, err = t.measure(ctx, "validation of the average"); err != nil {
		return "", err
	}
	return found + "; averaged weights: " + t.task.result(s.Result), nil
}

func (t *trainer) measure(ctx context.Context, what string) (eval.Result, error) {
	if err := t.preciseBN(ctx); err != nil {
		return eval.Result{}, err
	}
	if err := t.distribute(t.statistics()); err != nil {
		return eval.Result{}, err
	}
	if err := t.wholeStatistics(ctx); err != nil {
		return eval.Result{}, err
	}
	name := fmt.Sprintf("epoch %d/%d %s", t.progress.Epoch+1, t.epochs(), what)
	t.show.Begin(name, 0, t.val.Len())
	defer t.show.End()
	all := func(done int) int { return min(done*t.ranks.Size(), t.val.Len()) } // assume that the other ranks are as far
	return t.task.evaluate(ctx, t.ranks, func(done int) { t.show.Step(all(done), name) })
}

func (t *trainer) recordEpoch(s Score, found string) error {
	r := Record{
		Kind:     EpochRecord,
		Epoch:    s.Epoch,
		Batches:  t.progress.Batches,
		Loss:     s.TrainLoss,
		LR:       s.LR,
		GradNorm: t.progress.NormSum / float64(max(t.progress.NormCount, 1)),
		Seconds:  since(t.began).Seconds(),
		Memory:   residentMemory() / 1e6,
		Stood:    t.stood.Seconds(),
	}
	t.stood = 0
	t.pace.complete(&r)
	line := fmt.Sprintf("epoch %d/%d: training loss %.4f", s.Epoch+1, t.epochs(), s.TrainLoss)
	if r.Scales = meanScales(t.progress.ScaleSums, t.progress.LossCount); r.Scales != nil {
		line += " = " + sum(r.Scales)
	}
	if found != "" {
		r.EvalLoss = &s.Loss
		switch t.config.Task {
		case "classify":
			r.Top1, r.Top5 = &s.Top1, &s.Top5
		case configs.MultiLabelTask:
			r.MAP, r.MicroMAP, r.F1 = &s.MAP, &s.MicroMAP, &s.F1
		case "localmim":
		default:
			return fmt.Errorf("task: no records exist for task %q", t.config.Task)
		}
		if p, ok := t.task.(*pretraining); ok {
			r.Similar = p.similar
		}
		r.Plain, r.Evaluated = s.Plain, t.evaluated.Seconds()
		line += ", " + found
	}
	t.show.Line("%s", line)
	if err := t.record(r); err != nil || found == "" {
		return err
	}
	return t.folder.summarise(s, r)
}
