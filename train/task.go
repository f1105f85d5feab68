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

// task is what is trained and how it is measured. The loop, the checkpoints and
// the logs are the same for all tasks.
type task interface {
	store() *layers.Store
	// layers are the layers by their depth; nil if all are trained alike.
	layers() *graph.Layers
	// describe is the line about the model and the data at the start of a run.
	describe() string
	// prepare compiles the program of a training step on so many images, which finds
	// what does not fit, and says which parameters have gradients, in the order in which
	// a step completes them.
	prepare(batch int) ([]*ops.Param, error)
	// precision is the precision of the products in a step.
	precision() kernels.Precision
	// parallel is what the programs have to do with other ranks.
	parallel() *ops.Parallel
	// fill sets what the batches of training carry besides images.
	fill(o *data.LoaderOptions) error
	// gradients adds the gradients of a batch and returns its loss, and the losses of the
	// scales if there are several: valid until the next call. Of a share of a batch
	// they are the part that it has in those of all of it.
	gradients(b *data.Batch, at graph.Position) (loss float32, scales []float64, err error)
	// inputs are what the program of a training step gets of a batch.
	inputs(b *data.Batch) ([]input, error)
	// watch makes gradients of batches like b call see after every op, until it is called
	// with nil.
	watch(b *data.Batch, see func(ops.Observed) error) error
	// evaluate measures the model on the validation images, each rank on a part of
	// them; progress gets the number of those that this one has done.
	evaluate(ctx context.Context, with ranks, progress func(done int)) (eval.Result, error)
	// statistics measures the running statistics of batch norms that are trained, on batches of
	// so many images with sides of so many pixels.
	statistics(batch, size int) (normMeter, error)
	// start takes the weights of a run or a file.
	start(path string, o model.LoadOptions) error
	// result says in words what evaluate found.
	result(r eval.Result) string
}

// input is a tensor that a program gets, with rows of samples.
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
	return nil, fmt.Errorf("task: there is no task %q", c.Task)
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
