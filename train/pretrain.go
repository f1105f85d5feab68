package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/graph/localmim"
	"fasternet/graph/localmim/masking"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/model"
	"fasternet/ops"
)

// pretraining trains a LocalMIM on images without labels. The loader's workers make masks and targets ahead
// of the step.
type pretraining struct {
	config     *configs.Config
	train, val data.Dataset
	net        *localmim.Model
	counts     []graph.LayerCount
	runner     *localmim.Runner
	batches    *data.Loader // of validation images
	scales     []float64    // losses of the scales in the last evaluation
	// similarity of hidden channels by stages in the last evaluation; nil if the encoder has none
	similar  []float64
	replaced func([]data.BadSample)
}

func newPretraining(c *configs.Config, train, val data.Dataset, pool *kernels.Pool) (*pretraining, error) {
	net, err := localmim.New(c, c.Seed)
	if err != nil {
		return nil, err
	}
	t := &pretraining{config: c, train: train, val: val, net: net, replaced: func([]data.BadSample) {}}
	if t.counts, err = net.Count(); err != nil {
		return nil, err
	}
	t.runner, err = NewMIMRunner(c, net, pool)
	return t, err
}

func (t *pretraining) store() *layers.Store { return t.net.Store() }

// layers: pre-training uses one learning rate for all layers.
func (t *pretraining) layers() *graph.Layers { return nil }

func (t *pretraining) describe() string {
	return fmt.Sprintf("%s; %d training and %d validation images", t.net.Describe(t.counts), t.train.Len(), t.val.Len())
}

func (t *pretraining) precision() kernels.Precision { return t.runner.Precision }

func (t *pretraining) parallel() *ops.Parallel { return &t.runner.Parallel }

func (t *pretraining) prepare(batch int) ([]*ops.Param, error) {
	p, err := t.runner.Program(batch, true)
	if err != nil {
		return nil, err
	}
	return p.Learned(), nil
}

func (t *pretraining) fill(o *data.LoaderOptions) error {
	extra, err := masking.ForTraining(t.net)
	o.Extra = extra
	return err
}

func (t *pretraining) gradients(b *data.Batch, _ graph.Position) (float32, []float64, error) {
	program, err := t.runner.Program(b.Size, true)
	if err != nil {
		return 0, nil, err
	}
	loss, err := program.Run(masking.Masked(b))
	return loss, program.ScaleLosses(), err
}

func (t *pretraining) inputs(b *data.Batch) ([]input, error) {
	m := masking.Masked(b)
	all := []input{{"images", []int{b.Size, b.Height, b.Width, b.Channels}, m.Images}}
	for k, s := range t.net.Scales() {
		cells := s.Grid * s.Grid
		all = append(all,
			input{fmt.Sprintf("targets of scale %d", k+1), []int{b.Size, cells, s.Values}, m.Targets[k]},
			input{fmt.Sprintf("weights of scale %d", k+1), []int{b.Size, cells}, m.Weights[k]})
	}
	return all, nil
}

func (t *pretraining) watch(b *data.Batch, see func(ops.Observed) error) error {
	program, err := t.runner.Program(b.Size, true)
	if err == nil {
		program.Observe(see)
	}
	return err
}

// evaluate returns the loss on the validation images, with the same masks every time: the mean over the images, added
// in their order, whatever the batch size. With data.on_bad_image: skip, another image replaces one that
// cannot be read, as in training.
func (t *pretraining) evaluate(ctx context.Context, with ranks, progress func(done int)) (r eval.Result, err error) {
	t.similar = nil
	sums, count, err := t.sumLosses(ctx, with, progress) // the loss and its scales
	if err := with.agree(ctx, err); err != nil {
		return r, err
	}
	sums = append(sums, float64(count))
	if err := with.Sum64(sums); err != nil {
		return r, err
	}
	r.Count = int(sums[len(sums)-1])
	n := float64(max(r.Count, 1))
	r.Loss = sums[0] / n
	t.scales = nil
	for _, s := range sums[1 : len(sums)-1] {
		t.scales = append(t.scales, s/n)
	}
	return r, nil
}

// sumLosses runs the batches of this rank.
func (t *pretraining) sumLosses(
	ctx context.Context,
	with ranks,
	progress func(done int),
) (sums []float64, count int, err error) {
	sums = make([]float64, 1+len(t.net.Scales()))
	if t.batches == nil {
		if t.batches, err = t.valLoader(); err != nil {
			return nil, 0, err
		}
	}
	steps := t.batches.Steps()
	it := t.batches.Part(ctx, 0, steps*with.Rank()/with.Size(), steps*(with.Rank()+1)/with.Size())
	defer it.Close()
	for {
		b, err := it.Next()
		if errors.Is(err, io.EOF) {
			return sums, count, nil
		}
		if err != nil {
			return nil, 0, err
		}
		t.replaced(b.Replaced)
		if err := t.addLosses(sums, b); err != nil {
			return nil, 0, err
		}
		if count == 0 {
			if t.similar, err = t.similarity(b); err != nil {
				return nil, 0, err
			}
		}
		count += b.Size
		progress(count)
	}
}

// addLosses adds the losses of the images of a batch, one by one.
func (t *pretraining) addLosses(sums []float64, b *data.Batch) error {
	program, err := t.runner.Program(b.Size, false)
	if err != nil {
		return err
	}
	m := masking.Masked(b)
	if _, err := program.Run(m); err != nil {
		return err
	}
	program.SumLosses(sums, m.Weights)
	return nil
}

// similarity returns the similarity of the hidden channels for the first images of a batch. When masked pre-training
// of convolutions fails, the channels become alike while the loss still falls.
func (t *pretraining) similarity(b *data.Batch) ([]float64, error) {
	const most = 16
	n, m := min(b.Size, most), masking.Masked(b)
	m.Images = m.Images[:n*b.Height*b.Width*b.Channels]
	if _, visible := t.net.Units(); len(m.Kept) > visible {
		m.Kept = m.Kept[:n*visible]
	}
	return t.runner.Similarity(n, m)
}

func (t *pretraining) valLoader() (*data.Loader, error) {
	extra, err := masking.ForEvaluation(t.net)
	if err != nil {
		return nil, err
	}
	c := t.config
	return data.NewLoader(t.val, data.LoaderOptions{
		Batch: min(c.Train.ValBatchSize, max(t.val.Len(), 1)), Workers: c.Data.Workers, Prefetch: c.Data.Prefetch,
		Seed: c.Seed, Transform: preprocess.Evaluation(c.Data, c.Model.InChans), Extra: extra,
		ReplaceBad: c.Data.OnBadImage == "skip",
	})
}

func (t *pretraining) statistics(batch, _ int) (normMeter, error) {
	program, err := t.runner.Statistics(batch, false)
	return normMeter{t.store().Norms, func(b *data.Batch) error { return program.Measure(masking.Masked(b)) }}, err
}

// wholeStatistics measures the batch norms of the encoder on whole images.
func (t *pretraining) wholeStatistics(batch int) (normMeter, error) {
	program, err := t.runner.Statistics(batch, true)
	return normMeter{t.net.WholeNorms(), func(b *data.Batch) error {
		return program.Measure(localmim.Masked{Images: b.Images, Whole: b.Whole})
	}}, err
}

func (t *pretraining) start(path string, o model.LoadOptions) error {
	return model.StartPretraining(t.net, path, o)
}

func (t *pretraining) result(r eval.Result) string {
	text := fmt.Sprintf("validation loss %.4f = %s", r.Loss, sum(t.scales))
	if t.similar != nil {
		text += fmt.Sprintf(", similarity of channels %.2f by stages", t.similar)
	}
	return text
}

// sum formats the losses of the scales.
func sum(scales []float64) string {
	var parts []string
	for _, s := range scales {
		parts = append(parts, fmt.Sprintf("%.3f", s))
	}
	return strings.Join(parts, " + ")
}
