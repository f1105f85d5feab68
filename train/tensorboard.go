package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fasternet/formats/tensorboard"
	"fasternet/ops"
)

// TensorBoardFolder holds event files for TensorBoard.
const TensorBoardFolder = "tensorboard"

// board writes them. There are two axes, each in its own folder, because TensorBoard drops the records of a
// resumed run by step: batches of the run, and thousandths of an epoch, which compare runs with other batch
// sizes. A nil board writes nothing.
type board struct{ batches, thousandths *tensorboard.Writer }

func openBoard(dir string, p Progress, steps int) (*board, error) {
	b := &board{}
	var first, second int64
	if p.Batches > 0 {
		first, second = int64(p.Batches)+1, thousandths(p.Epoch, p.Step, steps)+1
		if p.Step == steps { // records after the epoch have this step too, and come later
			second--
		}
	}
	var err error
	if b.batches, err = tensorboard.Create(filepath.Join(dir, "step"), first); err != nil {
		return nil, err
	}
	if b.thousandths, err = tensorboard.Create(filepath.Join(dir, "epoch_1000x"), second); err != nil {
		return nil, errors.Join(err, b.batches.Close())
	}
	return b, nil
}

func (b *board) close() error {
	if b == nil {
		return nil
	}
	return errors.Join(b.batches.Close(), b.thousandths.Close())
}

// thousandths returns a place in the run: 1000 is the end of the first epoch.
func thousandths(epoch, step, steps int) int64 {
	return int64(1000*epoch) + int64(1000*min(step, steps)/max(steps, 1))
}

// record writes the scalars of a record.
func (b *board) record(r Record, steps int) error {
	if b == nil {
		return nil
	}
	type scalar = tensorboard.Scalar
	if r.Kind == StepRecord {
		values := []scalar{
			{Tag: "train/loss", Value: r.Loss}, {Tag: "train/lr", Value: r.LR},
			{Tag: "train/grad_norm", Value: r.GradNorm},
			{Tag: "perf/img_per_s", Value: r.Speed}, {Tag: "perf/data_s", Value: r.Waited},
			{Tag: "perf/memory_mb", Value: r.Memory},
		}
		for k, l := range r.Scales {
			values = append(values, scalar{Tag: fmt.Sprintf("train_scales/%d", k+1), Value: l})
		}
		return errors.Join(b.batches.Scalars(int64(r.Batches), values...), b.step(r, steps))
	}
	values := []scalar{{Tag: "epoch_1000x/train_loss", Value: r.Loss}}
	for _, v := range []struct {
		tag   string
		value *float64
	}{
		{"epoch_1000x/val_loss", r.EvalLoss},
		{"epoch_1000x/val_top1", r.Top1},
		{"epoch_1000x/val_top5", r.Top5},
		{"epoch_1000x/val_map", r.MAP},
		{"epoch_1000x/val_f1_macro", r.F1},
	} {
		if v.value != nil {
			values = append(values, scalar{Tag: v.tag, Value: *v.value})
		}
	}
	for k, v := range r.Similar {
		values = append(values, scalar{Tag: fmt.Sprintf("channel_similarity/stage%d", k+1), Value: v})
	}
	return b.thousandths.Scalars(thousandths(r.Epoch+1, 0, steps), values...)
}

// step writes the record of a step on the axis of epochs.
func (b *board) step(r Record, steps int) error {
	return b.thousandths.Scalars(thousandths(r.Epoch, r.Step, steps),
		tensorboard.Scalar{
			Tag:   "epoch_1000x/loss",
			Value: r.Loss,
		}, tensorboard.Scalar{Tag: "epoch_1000x/lr", Value: r.LR})
}

// picture adds a PNG file with the state after some epochs.
func (b *board) picture(tag, path string, epochs int) error {
	if b == nil {
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	return b.thousandths.PNG(thousandths(epochs, 0, 1), tag, content)
}

// histograms adds the weights, and the gradients of the last step if they are known.
func (b *board) histograms(params []*ops.Param, epochs int, gradients bool) error {
	if b == nil {
		return nil
	}
	at := thousandths(epochs, 0, 1)
	for _, p := range params {
		err := b.thousandths.Histogram(at, "weights/"+p.Name, p.Data())
		if err == nil && gradients {
			err = b.thousandths.Histogram(at, "gradients/"+p.Name, p.GradData())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
