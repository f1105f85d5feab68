package infer

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
)

// Info describes a model.
type Info struct {
	File          string // the file of the weights
	Architecture  string // fasternet, vit or swin
	Weights       string // ema for averaged weights, or plain
	Preprocessing string // how an image is prepared, in a line
	Kernels       string // the kernels for this processor, and the precision
	Precision     string // fp32, bf16 or int8

	Channels int // of an image: 1 for grey, 3 for RGB
	Size     int // height and width of the images that the network gets, in pixels
	Classes  int // logits; 0 for a model without a classifier
	Features int // values of the features of an image
	// FeaturesFrom is prelogits if the features are the input of the last linear layer, or pooled if they are
	// the mean of the last map, because the layers between the two are not trained: the encoder of a
	// FasterNet's pre-training.
	FeaturesFrom string

	Threads, MaxBatch int
}

// Model is an opened model. All methods are safe for concurrent use.
type Model struct {
	settings
	info   Info
	labels []string // the names of all outputs
	named  []string // the names in the file
	// thresholds of the labels for task multilabel; nil for other tasks.
	thresholds []float64

	runner, tapped *graph.Runner // they share memory; tapped keeps features
	pool           *kernels.Pool
	sizes          []int // sizes of batches that are compiled, ascending

	free  chan *request       // unused requests
	jobs  chan *request       // for helpers to prepare
	ready chan *request       // ready to be computed
	tools chan *data.Preparer // one for each image that may be prepared at the same time
	calls sync.Pool           // of *call

	batcher batcher
	life    life
}

// Open opens a model: the folder of a run (its best checkpoint), a checkpoint, an export
// (.safetensors or .onnx), a folder in timm's format, or weights of PyTorch. It compiles the
// model and takes its memory, so a model that needs too much fails here.
//
// It reads the file once; you can replace the file afterwards. It returns an error for a file
// that is damaged, incomplete or not a model.
func Open(path string, options ...Option) (_ *Model, err error) {
	defer func() { // a file may come from anybody: unforeseen failures become errors, too
		if v := recover(); v != nil {
			err = fmt.Errorf("infer: %s: %v", path, v)
		}
	}()
	s := defaults()
	for _, o := range options {
		if err := o(&s); err != nil {
			return nil, &OptionError{err}
		}
	}
	loaded, err := model.Open(path, model.LoadOptions{
		Config: s.config, Settings: s.configured, Encoder: true, Headless: true,
		Remedies: &model.Remedies{
			Setting: "add infer.Config with the setting %s, or with a preset or a file",
			Config:  "say with infer.Config what the weights are for",
		},
		Report: func(t model.Table) {
			for _, n := range t.Notes {
				s.notes(n)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	return prepare(loaded, s)
}

// prepare makes a model from weights that have been read.
func prepare(loaded *model.Loaded, s settings) (_ *Model, err error) {
	net, err := graph.ForInference(loaded.Model)
	if err != nil {
		return nil, fmt.Errorf("infer: %s: %w", loaded.Path, err)
	}
	images, err := preprocess.Of(loaded.Config.Data, net.Channels())
	if err != nil {
		return nil, fmt.Errorf("infer: %s: %w", loaded.Path, err)
	}
	images.Decoding.MaxPixels = s.maxPixels
	m := &Model{settings: s, pool: kernels.NewPool(s.threads)}
	defer func() {
		if err != nil {
			m.pool.Close()
		}
	}()
	if m.runner, err = model.NewRunner(loaded.Config.In(s.precision), net, m.pool); err != nil {
		return nil, fmt.Errorf("infer: %s: %w", loaded.Path, err)
	}
	m.tapped = m.runner.Beside(net)
	m.tapped.Precision = m.runner.Precision
	m.info = Info{
		File: loaded.Path, Architecture: loaded.Config.Model.Name, Weights: loaded.Used(),
		Preprocessing: images.String(),
		Kernels:       m.pool.Kernels().Describe(m.runner.Format()),
		Precision:     m.runner.Format().String(),
		Channels:      net.Channels(),
		Size:          images.Transform.Size,
		Classes:       net.Classes(),
		FeaturesFrom:  loaded.Features(),
		Threads:       m.pool.Workers(),
		MaxBatch:      s.maxBatch,
	}
	if loaded.MultiLabel() {
		m.thresholds = loaded.AllThresholds()
	}
	if loaded.Headless {
		m.info.Classes = 0
	}
	labels, note := loaded.Labels(loaded.Classes)
	if note != "" && m.info.Classes > 0 && s.labels == nil {
		s.notes(note)
	}
	if err := m.name(labels); err != nil {
		return nil, fmt.Errorf("infer: %s: %w", loaded.Path, err)
	}
	if err := m.compile(); err != nil {
		return nil, fmt.Errorf("infer: %s: %w", loaded.Path, err)
	}
	tools := make([]*data.Preparer, m.pool.Workers())
	for i := range tools {
		if tools[i], err = data.NewPreparer(images.Decoding, images.Transform); err != nil {
			return nil, fmt.Errorf("infer: %s: %w", loaded.Path, err)
		}
	}
	m.start(tools)
	return m, nil
}

// name finds the names of the classes.
func (m *Model) name(names []string) error {
	if m.settings.labels != nil {
		if len(m.settings.labels) > m.info.Classes {
			return fmt.Errorf("Labels has %d names, but the model has %d classes",
				len(m.settings.labels), m.info.Classes)
		}
		names = m.settings.labels
	}
	m.named = slices.Clone(names)
	m.labels = labelsOf(m.named, m.info.Classes)
	return nil
}

// compile makes the programs for all sizes of batches: the largest first, since the others fit
// into its memory. It runs the smallest one, which packs the weights.
func (m *Model) compile() error {
	m.sizes = batchSizes(m.maxBatch)
	for _, n := range slices.Backward(m.sizes) {
		p, err := m.runner.Program(m.shape(n))
		if err != nil {
			return err
		}
		if n > 1 {
			continue
		}
		if _, err := p.Forward(make([]float32, m.values())); err != nil {
			return err
		}
	}
	sketch, err := m.tapped.Features(m.shape(1))
	if err != nil {
		return err
	}
	values, err := sketch.FeatureValues(m.info.FeaturesFrom)
	if err != nil {
		return err
	}
	m.info.Features = len(values)
	return nil
}

func (m *Model) shape(batch int) graph.Shape {
	return graph.Shape{Batch: batch, Height: m.info.Size, Width: m.info.Size}
}

// values returns the number of values of a prepared image.
func (m *Model) values() int { return m.info.Channels * m.info.Size * m.info.Size }

// batchSizes returns the sizes of batches to compile, ascending. There are at most 12, as many as
// a runner keeps. Waiting images are computed in the largest size that they fill.
func batchSizes(most int) (sizes []int) {
	for n := 1; n <= most; n *= 2 {
		sizes = append(sizes, n)
		if half := n + n/2; n > 1 && half <= most {
			sizes = append(sizes, half)
		}
	}
	if sizes[len(sizes)-1] < most {
		sizes = append(sizes, most)
	}
	return sizes
}

// Info describes the model.
func (m *Model) Info() Info { return m.info }

// Labels returns the names of the classes, in the order of the logits. Without a name, the number
// of the class is its name. A model without a classifier has none.
func (m *Model) Labels() []string { return slices.Clone(m.labels) }

// ErrClosed says that a model has been closed.
var ErrClosed = errors.New("infer: the model is closed")

// ErrNoClassifier says that the model is an encoder: it has features and no classes.
var ErrNoClassifier = errors.New("infer: the model has no classifier: it gives features only")

// Close waits for calls in progress, frees the memory, and ends all goroutines of the model.
// Calls after it return [ErrClosed].
func (m *Model) Close() error {
	m.life.close(m.stop)
	return nil
}
