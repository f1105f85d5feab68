package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/data"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
)

// Options say where a run lives and what it starts from.
type Options struct {
	Dir    string    // folder of the run
	Resume bool      // continue from the newest checkpoint in Dir, if there is one
	Log    io.Writer // progress; usually the standard error
}

// ErrInterrupted says that the context was cancelled: the run stopped after a
// step, wrote its last checkpoint and can be resumed.
var ErrInterrupted = errors.New("interrupted")

// DivergedError says that the loss or a gradient is not finite any more.
type DivergedError struct {
	Epoch, Step    int // from 0
	Loss, GradNorm float64
	Samples        []int // of the batch
}

func (e *DivergedError) Error() string {
	what := fmt.Sprintf("the loss is %v", e.Loss)
	if !math.IsNaN(e.Loss) && !math.IsInf(e.Loss, 0) {
		what = fmt.Sprintf("the gradient norm is %v", e.GradNorm)
	}
	few := e.Samples[:min(len(e.Samples), 8)]
	return fmt.Sprintf("training diverged in epoch %d, step %d (samples %v …): %s; "+
		"try a lower optim.lr, a longer sched.warmup_epochs, or optim.clip_grad=1; the last good checkpoint is kept",
		e.Epoch+1, e.Step+1, few, what)
}

// Run trains the model of a configuration.
func Run(ctx context.Context, c *configs.Config, o Options) (out Outcome, err error) {
	t := &trainer{config: c, show: NewDisplay(o.Log), began: time.Now()}
	if t.train, err = eval.Open(c.Data, true); err != nil {
		return out, err
	}
	if n := c.Data.MaxPerClass; n > 0 {
		t.train = data.Few(t.train, n, c.Seed)
	}
	if t.val, err = eval.Open(c.Data, false); err != nil {
		return out, err
	}
	if err := t.open(o); err != nil {
		return out, err
	}
	defer t.pool.Close()
	defer func() { err = errors.Join(err, t.folder.close()) }()
	err = t.loop(ctx)
	t.show.End()
	if e := t.folder.WriteReport(c); e != nil {
		t.show.Line("warning: %v", e)
	}
	return t.outcome(), err
}

// trainer is a run in progress.
type trainer struct {
	config     *configs.Config
	train, val data.Dataset
	pool       *kernels.Pool
	task       task
	optimizer  *AdamW
	folder     *Folder
	show       *Display
	progress   Progress

	loaderSize int // image size of the loader
	loader     *data.Loader

	began     time.Time
	firstStep int      // batches that this process did not train
	origin    []string // what is to be said of the weights that the run starts from
}

// open makes the model and the folder, or takes them up again.
func (t *trainer) open(o Options) (err error) {
	c := t.config
	t.pool = kernels.NewPool(c.Threads)
	if t.task, err = t.newTask(t.pool); err != nil {
		return err
	}
	if t.optimizer, err = optimizerOf(c, t.task, t.pool); err != nil {
		return err
	}
	if _, err := t.loaderFor(0); err != nil { // finds what is wrong before a folder is made
		return err
	}
	if err := t.task.prepare(); err != nil {
		return err
	}
	holds := Holds(o.Dir)
	if !o.Resume && holds {
		return fmt.Errorf("%s already holds a run: --resume continues it, --run DIR makes another", o.Dir)
	}
	if !holds { // weights that do not fit are found before a folder is made
		if err := t.startFrom(); err != nil {
			return err
		}
	}
	if t.folder, err = OpenFolder(o.Dir); err != nil {
		return err
	}
	if o.Resume {
		resumed, err := t.resume()
		switch {
		case resumed:
			t.origin = nil
		case err == nil && holds:
			err = t.startFrom()
		}
		if err != nil {
			return err
		}
	}
	t.loader = nil // the state of the model may be part of what it makes
	if err := t.folder.start(c, t.progress); err != nil {
		return err
	}
	t.show.log = t.folder.text
	t.firstStep = t.progress.Batches
	t.describe()
	for _, line := range t.origin {
		t.show.Line("%s", line)
	}
	return nil
}

func (t *trainer) describe() {
	c := t.config
	batch := c.Train.BatchSize * c.Train.AccumSteps
	t.show.Line("%s", t.task.describe())
	t.show.Line("batch %d = %d × %d accumulated, peak lr %g%s, %d epochs, %d threads, %s, run folder %s",
		batch, c.Train.BatchSize, c.Train.AccumSteps, c.Optim.LR, describeLayers(c.Optim), c.Train.Epochs, t.pool.Workers(), t.kernels(), t.folder.Dir)
}

// kernels names those in use.
func (t *trainer) kernels() string {
	p, _ := precision(t.config) // the task has been made with it
	return kernels.Describe(p)
}

// loaderFor is the loader of an epoch; its image size can change.
func (t *trainer) loaderFor(epoch int) (*data.Loader, error) {
	size := t.config.Data.Scale(epoch)
	if t.loader != nil && t.loaderSize == size {
		return t.loader, nil
	}
	c := t.config
	options := data.LoaderOptions{
		Batch: c.Train.BatchSize, Workers: c.Data.Workers, Prefetch: c.Data.Prefetch, Shuffle: true, DropLast: true,
		Seed: c.Seed, Transform: Transform(c, size),
	}
	if err := t.task.fill(&options); err != nil {
		return nil, err
	}
	l, err := data.NewLoader(t.train, options)
	if err != nil {
		return nil, err
	}
	t.loader, t.loaderSize = l, size
	return l, nil
}

// Transform is the training transform of a configuration at an image size.
func Transform(c *configs.Config, size int) data.Transform {
	e := eval.Transform(c.Data, c.Model.InChans)
	return &data.TrainTransform{
		Size: size, Scale: [2]float64(c.Augment.Scale), Ratio: [2]float64(c.Augment.Ratio), HFlip: c.Augment.HFlip,
		Padding: c.Augment.Padding, Interpolation: e.Interpolation, Mean: e.Mean, Std: e.Std, Channels: e.Channels,
	}
}

func (t *trainer) loop(ctx context.Context) error {
	for t.progress.Epoch < t.config.Train.Epochs {
		lr, err := t.epoch(ctx)
		if err != nil {
			return err
		}
		if err := t.finishEpoch(ctx, lr); err != nil {
			return err
		}
	}
	return nil
}

// epoch trains the rest of an epoch. It returns the learning rate of its last step.
func (t *trainer) epoch(ctx context.Context) (lr float64, err error) {
	p, c := &t.progress, t.config
	loader, err := t.loaderFor(p.Epoch)
	if err != nil {
		return 0, err
	}
	accum := c.Train.AccumSteps
	steps := loader.Steps()
	schedule := Schedule{Sched: c.Sched, LR: c.Optim.LR, Epochs: c.Train.Epochs, Steps: (steps + accum - 1) / accum}
	it := loader.Epoch(context.Background(), p.Epoch, p.Step)
	defer it.Close()
	m := newMeter(t, steps)
	defer t.show.End()
	lr = schedule.At(p.Epoch, max(schedule.Steps-1, 0))
	for p.Step < steps {
		n := min(accum, steps-p.Step)
		lr = schedule.At(p.Epoch, p.Step/accum)
		norm, err := t.update(it, n, lr, m)
		if err != nil {
			return 0, err
		}
		if err := m.show(lr, norm); err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, t.interrupt()
		}
		if every := c.Checkpoint.EverySteps; every > 0 && p.Updates%every == 0 {
			if err := t.folder.Checkpoints.SaveLast(t.checkpoint()); err != nil {
				return 0, err
			}
		}
	}
	return lr, nil
}

// update makes one step of the optimizer from n batches.
func (t *trainer) update(it *data.Iterator, n int, lr float64, m *meter) (norm float64, err error) {
	p := &t.progress
	t.optimizer.ZeroGrad()
	var samples []int
	for range n {
		waiting := time.Now()
		b, err := it.Next()
		if err != nil {
			return 0, err
		}
		m.waited += time.Since(waiting)
		loss, scales, err := t.task.gradients(b, graph.Position{Seed: t.config.Seed, Step: uint64(p.Batches)})
		if err != nil {
			return 0, err
		}
		if samples = b.Indices; !finite(float64(loss)) {
			return 0, &DivergedError{Epoch: p.Epoch, Step: p.Step, Loss: float64(loss), Samples: samples}
		}
		p.LossSum += float64(loss) * float64(b.Size)
		p.LossCount += b.Size
		p.ScaleSums = addScales(p.ScaleSums, scales, b.Size)
		p.Step++
		p.Batches++
		m.add(float64(loss), scales, b.Size)
	}
	norm = t.optimizer.GradNorm() / float64(n)
	if !finite(norm) {
		return 0, &DivergedError{Epoch: p.Epoch, Step: p.Step - 1, Loss: m.lastLoss, GradNorm: norm, Samples: samples}
	}
	t.optimizer.Step(lr, t.optimizer.ClipScale(norm)/float64(n))
	p.Updates++
	return norm, nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

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
	t.picture(ctx)
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
	t.show.Begin(fmt.Sprintf("epoch %d/%d validation", t.progress.Epoch+1, c.Train.Epochs), 0, t.val.Len())
	defer t.show.End()
	return t.task.evaluate(ctx, func(done int) {
		t.show.Step(done, fmt.Sprintf("epoch %d/%d validation", t.progress.Epoch+1, c.Train.Epochs))
	})
}

func (t *trainer) recordEpoch(s Score, evaluated bool) error {
	r := Record{Kind: epochRecord, Epoch: s.Epoch, Batches: t.progress.Batches, Loss: s.TrainLoss, LR: s.LR, Seconds: time.Since(t.began).Seconds()}
	line := fmt.Sprintf("epoch %d/%d: training loss %.4f", s.Epoch+1, t.config.Train.Epochs, s.TrainLoss)
	if r.Scales = meanScales(t.progress.ScaleSums, t.progress.LossCount); r.Scales != nil {
		line += " = " + sum(r.Scales)
	}
	if evaluated {
		if r.EvalLoss = &s.Loss; r.Scales == nil {
			r.Top1, r.Top5 = &s.Top1, &s.Top5
		}
		line += ", " + t.task.result(s.Result)
		if err := t.folder.summarise(s); err != nil {
			return err
		}
	}
	t.show.Line("%s", line)
	return t.folder.record(r)
}

// interrupt writes the last checkpoint of a run that was asked to stop.
func (t *trainer) interrupt() error {
	if err := t.folder.Checkpoints.SaveLast(t.checkpoint()); err != nil {
		return err
	}
	t.show.End()
	t.show.Line("stopped in epoch %d after step %d; --resume continues from here", t.progress.Epoch+1, t.progress.Step)
	return ErrInterrupted
}

// checkpoint is the state of the run.
func (t *trainer) checkpoint() checkpoints.File {
	meta, err := model.Meta(t.config, t.train.Classes())
	if err != nil { // the same texts were made when the run began
		panic(err)
	}
	meta[progressKey] = t.progress.text()
	return checkpoints.File{Meta: meta, Tensors: append(model.Tensors(t.task.store()), t.optimizer.Tensors()...)}
}

// Config reads the configuration of the run in a folder.
func Config(dir string, settings ...string) (*configs.Config, error) {
	path := (&Folder{Dir: dir}).path(ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("no run to resume: %w", err)
	}
	return configs.Parse(path, string(text), settings...)
}
