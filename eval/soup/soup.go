// Package soup averages the weights of several runs into one model (Wortsman et al., "Model soups", 2022).
package soup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/classes"
	"fasternet/data/preprocess"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
)

// Method says which models go into a soup.
type Method string

// The methods.
const (
	Uniform Method = "uniform" // all of them
	// Greedy starts with the best model, tries the others in order of accuracy, and keeps a model unless
	// it lowers the soup's accuracy on the validation images.
	Greedy Method = "greedy"
)

// ParseMethod returns an error for an unknown method.
func ParseMethod(name string) (Method, error) {
	switch m := Method(name); m {
	case Uniform, Greedy:
		return m, nil
	}
	return "", fmt.Errorf("want %s or %s, got %q", Uniform, Greedy, name)
}

// Ingredient is a model that may go into a soup, and its own accuracy.
type Ingredient struct {
	Path string  `json:"path"`
	Top1 float64 `json:"top1"` // percent
	Loss float64 `json:"loss"`
	Used bool    `json:"used"`
}

// Options say how to make a soup.
type Options struct {
	Method     Method
	Train, Val data.Dataset // with the classes of the models
	NormImages int          // measure batch norms again on this many training images
	SkipBad    bool
	// Tried is called after a model was evaluated, and after it was tried in a soup.
	Tried    func(i Ingredient, soup *eval.Result)
	Progress func(what string, done, total int) // counts images; may be nil
}

// Soup is a model made from others.
type Soup struct {
	*model.Loaded
	Result      eval.Result // on the validation images
	Ingredients []Ingredient
	NormImages  int // used to measure the batch norms; 0 without batch norms
}

// Check returns an error unless the weights of the models can be averaged: they need the same
// architecture, and the same classes in the same order.
func Check(models []*model.Loaded) error {
	if len(models) < 2 {
		return fmt.Errorf("a soup needs two models or more, got %d", len(models))
	}
	first := models[0]
	for _, m := range models {
		if graph.IsInt8(m.Model) {
			return fmt.Errorf("%s: it computes in 8 bits: take the run or its checkpoint", m.Path)
		}
		if f, ok := m.Model.(graph.Foldable); ok && f.Folded() {
			return fmt.Errorf("%s: its batch norms are folded into the convolutions and cannot be measured again: "+
				"take the run or its checkpoint, or export with --no-fold", m.Path)
		}
		if m.Temperature != 0 {
			return fmt.Errorf("%s: its logits are divided by a temperature: take the run or its checkpoint", m.Path)
		}
		if m == first {
			continue
		}
		differences, err := configs.Differences(first.Config, m.Config)
		if err != nil {
			return err
		}
		for _, d := range differences {
			if strings.HasPrefix(d.Key, "model.") && !slices.Contains(notOfFunction, d.Key) {
				return fmt.Errorf("the models have different architectures: %s is %s in %s and %s in %s",
					d.Key, d.Values[0], first.Path, d.Values[1], m.Path)
			}
		}
		match := classes.Compare(m.Classes, first.Classes)
		if match.Kind != classes.Same &&
			(match.Kind != classes.Unnamed || m.Model.Classes() != first.Model.Classes()) {
			return fmt.Errorf("the models have different classes: %s", match.Difference(m.Path, first.Path))
		}
		a, b := first.Model.Store().Entries, m.Model.Store().Entries
		for i := range max(len(a), len(b)) {
			if i >= len(a) || i >= len(b) || a[i].Name != b[i].Name || !slices.Equal(a[i].Shape, b[i].Shape) {
				return fmt.Errorf("the models have different architectures: %s and %s have different tensors; "+
					"were they trained with the same image size?", first.Path, m.Path)
			}
		}
	}
	return nil
}

// notOfFunction lists keys of a model that do not change its output in evaluation. Check compares
// the shapes instead.
var notOfFunction = []string{"model.num_classes", "model.drop_path_rate", "model.init_std"}

// mix sets the weights of a model to the mean of the others.
func mix(into *model.Loaded, models []*model.Loaded) {
	for i, e := range into.Model.Store().Entries {
		var dst []float32
		switch {
		case e.Param != nil:
			dst = e.Param.Data()
		case e.Buffer != nil:
			dst = e.Buffer
		default:
			*e.Counter = *models[0].Model.Store().Entries[i].Counter
			continue
		}
		sum := make([]float64, len(dst))
		for _, m := range models {
			from := m.Model.Store().Entries[i]
			values := from.Buffer
			if from.Param != nil {
				values = from.Param.Data()
			}
			for k, v := range values {
				sum[k] += float64(v)
			}
		}
		for k, v := range sum {
			dst[k] = float32(v / float64(len(models)))
		}
		if e.Param != nil {
			e.Param.Changed()
		}
	}
}

// cook holds the means to make and measure models.
type cook struct {
	Options
	config *configs.Config
	pool   *kernels.Pool
}

// Make averages models, in float64. The images and settings of the configuration give the result
// and its figures.
func Make(ctx context.Context, models []*model.Loaded, c *configs.Config, pool *kernels.Pool,
	o Options) (*Soup, error) {
	if err := Check(models); err != nil {
		return nil, err
	}
	if _, err := ParseMethod(string(o.Method)); err != nil {
		return nil, err
	}
	first := models[0]
	net, err := model.New(first.Config, first.Model.Classes())
	if err != nil {
		return nil, err
	}
	k := &cook{o, c, pool}
	s := &Soup{Loaded: &model.Loaded{Model: net, Config: first.Config, Classes: first.Classes}}
	for _, m := range models {
		r, err := k.evaluate(ctx, m.Model, m.Path)
		if err != nil {
			return nil, err
		}
		s.Ingredients = append(s.Ingredients, Ingredient{Path: m.Path, Top1: r.Top1, Loss: r.Loss})
		k.tried(s.Ingredients[len(s.Ingredients)-1], nil)
	}
	if o.Method == Uniform {
		for i := range s.Ingredients {
			s.Ingredients[i].Used = true
		}
		s.Result, err = k.taste(ctx, s, models)
		return s, err
	}
	return s, k.greedy(ctx, s, models)
}

func (k *cook) tried(i Ingredient, soup *eval.Result) {
	if k.Tried != nil {
		k.Tried(i, soup)
	}
}

// greedy adds models, from the best one on.
func (k *cook) greedy(ctx context.Context, s *Soup, models []*model.Loaded) error {
	order := make([]int, len(models))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := s.Ingredients[a], s.Ingredients[b]
		switch {
		case x.Top1 != y.Top1 && x.Top1 > y.Top1:
			return -1
		case x.Top1 != y.Top1:
			return 1
		case x.Loss < y.Loss:
			return -1
		case x.Loss > y.Loss:
			return 1
		}
		return 0
	})
	best := order[0]
	in := []*model.Loaded{models[best]}
	s.Ingredients[best].Used = true
	s.Result = eval.Result{Top1: s.Ingredients[best].Top1, Loss: s.Ingredients[best].Loss, Count: k.Val.Len()}
	for _, i := range order[1:] {
		r, err := k.taste(ctx, s, append(in, models[i]))
		if err != nil {
			return err
		}
		if r.Top1 >= s.Result.Top1 {
			in = append(in, models[i])
			s.Ingredients[i].Used, s.Result = true, r
		}
		k.tried(s.Ingredients[i], &r)
	}
	if len(in) == 1 { // the model itself, with its own statistics
		mix(s.Loaded, in)
		s.NormImages = 0
		r, err := k.evaluate(ctx, s.Model, "the soup")
		s.Result = r
		return err
	}
	r, err := k.taste(ctx, s, in) // make it again: the model tried last may not be in it
	s.Result = r
	return err
}

// taste makes the soup of some models and evaluates it.
func (k *cook) taste(ctx context.Context, s *Soup, models []*model.Loaded) (eval.Result, error) {
	mix(s.Loaded, models)
	var err error
	if s.NormImages, err = k.measureNorms(ctx, s.Model); err != nil {
		return eval.Result{}, err
	}
	return k.evaluate(ctx, s.Model, "the soup")
}

func (k *cook) progress(what string) func(done, total int) {
	if k.Progress == nil {
		return nil
	}
	return func(done, total int) { k.Progress(what, done, total) }
}

func (k *cook) evaluate(ctx context.Context, net graph.Model, what string) (eval.Result, error) {
	folded, err := graph.ForInference(net)
	if err != nil {
		return eval.Result{}, err
	}
	runner, err := model.NewRunner(k.config, folded, k.pool)
	if err != nil {
		return eval.Result{}, err
	}
	transform := preprocess.Evaluation(k.config.Data, k.config.Model.InChans)
	return eval.Evaluate(ctx, runner, k.Val, transform, eval.Options{
		Batch:    k.config.Train.ValBatchSize,
		Workers:  k.config.Data.Workers,
		SkipBad:  k.SkipBad,
		Progress: k.progress(what),
	})
}

// measureNorms measures the batch norms again, because the mean of their statistics does not fit the
// mean of the weights. It returns the number of training images, which are augmented as in training.
func (k *cook) measureNorms(ctx context.Context, net graph.Model) (images int, err error) {
	norms := net.Store().Norms
	if len(norms) == 0 {
		return 0, nil
	}
	c := k.config
	transform, err := preprocess.Training(c, c.Data.ImageSize)
	if err != nil {
		return 0, err
	}
	batch := min(c.Train.BatchSize, 128, k.Train.Len())
	loader, err := data.NewLoader(k.Train, data.LoaderOptions{
		Batch:      batch,
		Workers:    c.Data.Workers,
		Prefetch:   2,
		Shuffle:    true,
		DropLast:   true,
		Seed:       c.Seed,
		Transform:  transform,
		ReplaceBad: k.SkipBad,
	})
	if err != nil {
		return 0, err
	}
	runner, err := model.NewRunner(c, net, k.pool)
	if err != nil {
		return 0, err
	}
	program, err := runner.Statistics(batch, c.Data.ImageSize, c.Data.ImageSize)
	if err != nil {
		return 0, err
	}
	batches := min(max(1, k.NormImages/batch), loader.Steps())
	it := loader.Part(ctx, 0, 0, batches)
	defer it.Close()
	err = ops.MeanStatistics(norms, batches, func(i int) error {
		b, err := it.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("soup: batch %d of %d is missing", i+1, batches)
		}
		if err != nil {
			return err
		}
		if k.Progress != nil {
			k.Progress("batch norms", min((i+1)*batch, batches*batch), batches*batch)
		}
		return program.Measure(b.Images)
	})
	return batches * batch, err
}
