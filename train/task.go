package train

import (
	"context"
	"fmt"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/model"
	"fasternet/ops"
)

// task is what is trained and how it is measured. All tasks share the loop, the checkpoints and the logs.
type task interface {
	store() *layers.Store
	// layers returns the layers by depth; nil if all have the same learning rate.
	layers() *graph.Layers
	// describe describes the model and the data at the start of a run.
	describe() string
	// prepare compiles the program of a training step for this many images. It finds what does not fit, and returns
	// the parameters with gradients in the order in which a step completes them.
	prepare(batch int) ([]*ops.Param, error)
	// precision returns the precision of the products in a step.
	precision() kernels.Precision
	// parallel returns what the programs do with other ranks.
	parallel() *ops.Parallel
	// fill adds to training batches what they carry besides images.
	fill(o *data.LoaderOptions) error
	// gradients adds the gradients of a batch. It returns the loss, and the losses of the scales if there are
	// several, valid until the next call. A share of a batch gives its part of the gradients and losses of
	// the whole batch.
	gradients(b *data.Batch, at graph.Position) (loss float32, scales []float64, err error)
	// inputs returns what the program of a training step gets from a batch.
	inputs(b *data.Batch) ([]input, error)
	// watch calls see after every op, in gradients of batches like b, until it is called with nil.
	watch(b *data.Batch, see func(ops.Observed) error) error
	// evaluate measures the model on the validation images, each rank on a part. progress gets the number of
	// images that this rank has finished.
	evaluate(ctx context.Context, with ranks, progress func(done int)) (eval.Result, error)
	// statistics measures the running statistics of trained batch norms, on batches of this many images with
	// sides of this many pixels.
	statistics(batch, size int) (normMeter, error)
	// start loads the weights of a run or a file.
	start(path string, o model.LoadOptions) error
	// result describes the result of evaluate.
	result(r eval.Result) string
}

// input is an input tensor of a program. Its rows are samples.
type input struct {
	name   string
	shape  []int
	values []float32
}

// newTask makes the model of a configuration for a data set, and what trains it.
func newTask(c *configs.Config, train, val data.Dataset, pool *kernels.Pool) (task, error) {
	switch c.Task {
	case "localmim":
		return newPretraining(c, train, val, pool)
	case configs.MultiLabelTask:
		return newMultiLabel(c, train, val, pool)
	case "classify":
		return newClassification(c, train, val, pool)
	}
	return nil, fmt.Errorf("task: unknown task %q", c.Task)
}

// makeTask makes the task of the run, its model and its optimizer.
func (t *trainer) makeTask() (err error) {
	if t.task, err = newTask(t.config, t.train, t.val, t.pool); err != nil {
		return err
	}
	if p, ok := t.task.(*pretraining); ok {
		p.replaced = func(bad []data.BadSample) { t.badVal.note(t.show, bad) }
	}
	t.optimizer, err = NewOptimizer(t.config, t.task.store().Params(), t.task.layers(), t.pool)
	return err
}
