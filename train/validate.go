package train

import (
	"context"
	"fmt"
	"time"

	"fasternet/checkpoints"
	"fasternet/eval"
)

// finishEpoch evaluates, and writes logs and checkpoints.
func (t *trainer) finishEpoch(ctx context.Context, lr float64) error {
	p, c := &t.progress, t.config
	last := p.Epoch+1 == c.Train.Epochs
	s := Score{Epoch: p.Epoch, LR: lr, TrainLoss: p.LossSum / float64(max(p.LossCount, 1))}
	evaluated := last || (p.Epoch+1)%c.Train.ValInterval == 0
	if evaluated {
		var err error
		if s.Result, err = t.evaluate(ctx); err != nil {
			if ctx.Err() != nil {
				return t.interrupt()
			}
			return err
		}
	}
	if err := t.recordEpoch(s, evaluated); err != nil {
		return err
	}
	if err := t.draw(ctx); err != nil {
		return err
	}
	p.Epoch, p.Step, p.LossSum, p.LossCount, p.ScaleSums = p.Epoch+1, 0, 0, 0, nil
	if !evaluated {
		return t.saveEpoch(last)
	}
	p.Last = s
	best := p.Best == nil || s.better(*p.Best, c.Checkpoint.Monitor)
	if best {
		p.Best = &s
	}
	dropped := p.rank(s, c.Checkpoint.Monitor, c.Checkpoint.TopK)
	if best {
		if err := t.folder.Checkpoints.Save(checkpoints.Best, t.checkpoint()); err != nil {
			return err
		}
		if err := t.keepEvaluation(s.Epoch); err != nil {
			return err
		}
	}
	if len(p.TopK) > 0 && (len(dropped) == 0 || dropped[0].Epoch != s.Epoch) {
		if err := t.folder.Checkpoints.Save(checkpoints.Epoch(s.Epoch), t.checkpoint()); err != nil {
			return err
		}
	}
	if err := t.saveEpoch(last); err != nil {
		return err
	}
	for _, d := range dropped {
		if err := t.folder.Checkpoints.Remove(checkpoints.Epoch(d.Epoch)); err != nil {
			return err
		}
	}
	return nil
}

func (t *trainer) saveEpoch(last bool) error {
	if !last && t.progress.Epoch%t.config.Checkpoint.EveryEpochs != 0 {
		return nil
	}
	return t.folder.Checkpoints.SaveLast(t.checkpoint())
}

func (t *trainer) evaluate(ctx context.Context) (eval.Result, error) {
	c := t.config
	began := time.Now()
	defer func() { t.evaluated = time.Since(began) }()
	t.show.Begin(fmt.Sprintf("epoch %d/%d validation", t.progress.Epoch+1, c.Train.Epochs), 0, t.val.Len())
	defer t.show.End()
	return t.task.evaluate(ctx, func(done int) {
		t.show.Step(done, fmt.Sprintf("epoch %d/%d validation", t.progress.Epoch+1, c.Train.Epochs))
	})
}

func (t *trainer) recordEpoch(s Score, evaluated bool) error {
	r := Record{Kind: EpochRecord, Epoch: s.Epoch, Batches: t.progress.Batches, Loss: s.TrainLoss, LR: s.LR, Seconds: time.Since(t.began).Seconds()}
	t.pace.complete(&r)
	line := fmt.Sprintf("epoch %d/%d: training loss %.4f", s.Epoch+1, t.config.Train.Epochs, s.TrainLoss)
	if r.Scales = meanScales(t.progress.ScaleSums, t.progress.LossCount); r.Scales != nil {
		line += " = " + sum(r.Scales)
	}
	if evaluated {
		r.Evaluated = t.evaluated.Seconds()
		if r.EvalLoss = &s.Loss; r.Scales == nil {
			r.Top1, r.Top5 = &s.Top1, &s.Top5
		}
		line += ", " + t.task.result(s.Result)
	}
	t.show.Line("%s", line)
	if err := t.record(r); err != nil || !evaluated {
		return err
	}
	return t.folder.summarise(s, r)
}
