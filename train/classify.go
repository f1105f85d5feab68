package train

import (
	"context"
	"fmt"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/model"
	"fasternet/ops"
)

// classification trains a backbone with its classifier on labels.
type classification struct {
	config     *configs.Config
	train, val data.Dataset
	net        graph.Model
	depths     *graph.Layers
	counts     []graph.LayerCount // for an image of data.image_size
	runner     *graph.Runner
	teacher    *teacher     // for distillation, or nil
	batches    *data.Loader // of validation images
	last       *eval.Report // of the last evaluation
}

func newClassification(c *configs.Config, train, val data.Dataset, pool *kernels.Pool) (*classification, error) {
	net, err := model.New(c, len(train.Classes()))
	if err != nil {
		return nil, err
	}
	t := &classification{config: c, train: train, val: val, net: net}
	if t.counts, err = graph.Count(net, c.Data.ImageSize, c.Data.ImageSize); err != nil {
		return nil, err
	}
	if t.runner, t.depths, err = NewRunner(c, net, pool); err != nil {
		return nil, err
	}
	if err := balance(&t.runner.Loss, c, train, net.Classes()); err != nil {
		return nil, err
	}
	t.teacher, err = openTeacher(c, t.runner, train.Classes())
	return t, err
}

func (t *classification) store() *layers.Store { return t.net.Store() }

func (t *classification) layers() *graph.Layers { return t.depths }

func (t *classification) describe() string {
	size := t.config.Data.ImageSize
	total := graph.Total(t.counts)
	return fmt.Sprintf("%s: %d parameters, %.3f GMACs at %d px; %d training and %d validation images in %d classes",
		t.config.Model.Name, total.Parameters, float64(total.MACs)/1e9, size, t.train.Len(), t.val.Len(),
		len(t.train.Classes())) +
		describeBalance(t.config, t.runner.Loss, t.train)
}

func (t *classification) precision() kernels.Precision { return t.runner.Precision }

func (t *classification) parallel() *ops.Parallel { return &t.runner.Parallel }

func (t *classification) prepare(batch int) (learned []*ops.Param, err error) {
	if err := t.teacher.prepare(t.config, batch); err != nil {
		return nil, err
	}
	for _, size := range []int{t.config.Data.Scale(0), t.config.Data.ImageSize} { // the sizes of a multi-scale schedule
		p, err := t.runner.Program(graph.Shape{Batch: batch, Height: size, Width: size, Train: true})
		if err != nil {
			return nil, err
		}
		learned = p.Learned()
	}
	return learned, nil
}

func (t *classification) fill(o *data.LoaderOptions) error {
	o.Mix = preprocess.Mixing(t.config.Augment, t.net.Classes())
	return nil
}

func (t *classification) gradients(b *data.Batch, at graph.Position) (float32, []float64, error) {
	program, err := t.runner.Program(graph.Shape{Batch: b.Size, Height: b.Height, Width: b.Width, Train: true})
	if err != nil {
		return 0, nil, err
	}
	if t.teacher != nil {
		logits, err := t.teacher.logits(b)
		if err != nil {
			return 0, nil, err
		}
		if err := program.Teach(logits); err != nil {
			return 0, nil, err
		}
	}
	loss, err := program.Gradients(b.Images, b.Targets, at)
	return loss, nil, err
}

func (t *classification) inputs(b *data.Batch) ([]input, error) {
	all := []input{
		{"images", []int{b.Size, b.Height, b.Width, b.Channels}, b.Images},
		{"targets", []int{b.Size, t.net.Classes()}, b.Targets},
	}
	if t.teacher != nil {
		logits, err := t.teacher.logits(b)
		if err != nil {
			return nil, err
		}
		all = append(all, input{"logits of the teacher", []int{b.Size, t.net.Classes()}, logits})
	}
	return all, nil
}

func (t *classification) watch(b *data.Batch, see func(ops.Observed) error) error {
	program, err := t.runner.Program(graph.Shape{Batch: b.Size, Height: b.Height, Width: b.Width, Train: true})
	if err == nil {
		program.Observe(see)
	}
	return err
}

func (t *classification) evaluate(ctx context.Context, with ranks, progress func(done int)) (eval.Result, error) {
	runner, err := t.runner.ForInference()
	if err != nil {
		return eval.Result{}, err
	}
	c := t.config
	transform := preprocess.Evaluation(c.Data, c.Model.InChans)
	o := t.evaluation(with, progress)
	if t.batches == nil {
		t.batches, err = eval.NewLoader(runner, t.val, transform, o)
	}
	t.last = nil // free its logits before the next ones are made
	if err == nil {
		o.Loader = t.batches
		t.last, err = eval.ExaminePart(ctx, runner, t.val, transform, o)
	}
	if err := with.agree(ctx, err); err != nil {
		return eval.Result{}, err
	}
	if err := t.last.Merge(with, t.val); err != nil {
		return eval.Result{}, err
	}
	return t.last.Result, nil
}

// evaluation returns the options for the evaluation of a rank.
func (t *classification) evaluation(with ranks, progress func(done int)) eval.Options {
	c := t.config
	return eval.Options{
		Batch:      c.Train.ValBatchSize,
		Workers:    c.Data.Workers,
		Progress:   func(done, _ int) { progress(done) },
		Mistakes:   Mistakes,
		KeepLogits: eval.TrainLogits,
		SkipBad:    c.Data.OnBadImage == "skip",
		Rank:       with.Rank(),
		Ranks:      with.Size(),
	}
}

func (t *classification) start(path string, o model.LoadOptions) error {
	o.Classes = t.train.Classes()
	return model.Start(t.net, t.config, path, o)
}

func (t *classification) result(r eval.Result) string {
	return fmt.Sprintf("validation top-1 %.2f %%, top-5 %.2f %%, loss %.4f", r.Top1, r.Top5, r.Loss)
}

func (t *classification) statistics(batch, size int) (m normMeter, err error) {
	program, err := t.runner.Statistics(batch, size, size)
	if err != nil {
		return m, err
	}
	for _, n := range t.store().Norms {
		if !n.Weight.Frozen || t.runner.Frozen == 0 {
			m.norms = append(m.norms, n)
		}
	}
	m.measure = func(b *data.Batch) error { return program.Measure(b.Images) }
	return m, nil
}
