package model

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/graph"
	"fasternet/layers"
	"fasternet/weights"
)

// LoadOptions say how a file becomes a model. The zero value takes a
// checkpoint as it is, and foreign weights whose architecture a preset has.
type LoadOptions struct {
	Config       string      // preset or YAML file; "" for the one in the file, or what the tensors tell
	Settings     []string    // key=value on top of it
	AllowMissing bool        // go on if tensors are missing or unexpected
	EMA          bool        // the averaged weights of the file
	PreferEMA    bool        // the averaged weights if the file has them
	Encoder      bool        // only features matter: that of a pre-training is taken, with a fresh classifier
	Classes      []string    // of the data set, whose rows of a classifier Start looks for by name; nil if they do not matter
	Report       func(Table) // gets the table of tensors, if they had to be matched; may be nil
}

// Open makes the model of a run's folder (its best checkpoint), of a
// checkpoint, of an exported model, or of weights that another program wrote:
// what the file is tells its content. A model that is folded stays so. Weights
// without a configuration need one: that of the preset with the same shapes, or
// the options'.
func Open(path string, o LoadOptions) (*Loaded, error) {
	src, err := readAs(path, o)
	if err != nil {
		return nil, err
	}
	l := &Loaded{File: src.own, Path: src.path, Classes: src.classes, Average: src.average}
	if l.Config, err = src.configure(o); err != nil {
		return nil, err
	}
	if l.Config.Task == "localmim" && o.Encoder {
		o.Settings = append(slices.Clone(o.Settings), "task=classify", "model.num_classes=1")
		if l.Config, err = src.configure(o); err != nil {
			return nil, err
		}
	}
	if l.Config.Task == "localmim" {
		return nil, ConfigError{fmt.Errorf("%s is of a pre-training (task localmim): it has no classifier; fine-tune it first: train PRESET --from %s", src.path, path)}
	}
	if n := l.Config.Model.NumClasses; n != 0 && n < len(l.Classes) {
		l.Classes = nil // the options ask for others
	}
	asItIs := src.own != nil && o.Config == "" && len(o.Settings) == 0
	switch {
	case asItIs && src.model != nil:
		l.Model = src.model
	case asItIs:
		l.Model, err = l.empty()
	case src.folded():
		l.Model, err = NewFolded(l.Config, len(l.Classes))
	default:
		l.Model, err = New(l.Config, len(l.Classes))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.path, err)
	}
	if asItIs {
		if err := Restore(l.Model.Store(), src.own, checkpoints.OptimizerPrefix, checkpoints.EMAPrefix); err != nil {
			return nil, fmt.Errorf("%s: %w", src.path, err)
		}
		if o.Report != nil {
			o.Report(src.table(l.Model))
		}
		return l, nil
	}
	if err := src.fill(l.Model.Store(), l.Config, o); err != nil {
		return nil, err
	}
	return l, nil
}

// Start fills a model of a configuration with the weights of a run's folder, a
// checkpoint or a foreign file, to train on from there. The rows of the classifier are
// matched by the names of the classes; a classifier for other classes is left out.
func Start(m graph.Model, c *configs.Config, path string, o LoadOptions) error {
	src, err := readAs(path, o)
	if err != nil {
		return err
	}
	if src.folded() {
		return fmt.Errorf("%s is an exported model whose batch norms are folded: it cannot be trained; take the checkpoint that it was made of", src.path)
	}
	if err := src.sameFunction(c); err != nil {
		return err
	}
	src.matchHead(o.Classes, m.Classes())
	return src.fill(m.Store(), c, o)
}

// readAs reads the weights, averaged or not, that the options ask for.
func readAs(path string, o LoadOptions) (*source, error) {
	src, err := readSource(path, o.EMA || o.PreferEMA)
	if o.PreferEMA && errors.Is(err, weights.ErrNoEMA) {
		return readSource(path, false)
	}
	return src, err
}

// source is a file of weights.
type source struct {
	path    string
	own     *checkpoints.File // if it is a checkpoint or an export of ours, with
	config  *configs.Config   // its configuration
	classes []string          // and class names
	state   *weights.State    // the tensors under official names
	naming  weights.Naming    // that they had in the file
	average bool              // they are averaged ones
	model   graph.Model       // of an ONNX file: that of its configuration, without the tensors
	newHead bool              // the classifier has been left out: the model keeps its own
	notes   []string          // what was done to the tensors
}

// folded says whether the batch norms are folded.
func (s *source) folded() bool { return s.own != nil && s.own.Meta[FoldedKey] == "true" }

// readSource reads a file, or the best checkpoint in the folder of a run.
func readSource(path string, ema bool) (*source, error) {
	path, err := find(path)
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(filepath.Ext(path), ".onnx") {
		return readONNX(path, ema)
	}
	meta, err := weights.Meta(path)
	if err == nil && strings.HasPrefix(meta[FormatKey], formatFamily) {
		return readOwn(path, ema)
	}
	if err != nil && filepath.Ext(path) == ".safetensors" {
		err = weights.ErrFormat
	}
	s := &source{path: path, naming: weights.Official, average: ema}
	if err == nil {
		s.state, err = weights.Read(path, weights.Options{EMA: ema})
	}
	if errors.Is(err, weights.ErrFormat) && filepath.Ext(path) == ".safetensors" {
		if _, torn := checkpoints.Read(path); torn != nil {
			return nil, torn // it says what is wrong with the container
		}
	}
	if err != nil {
		return nil, err
	}
	if s.naming = weights.NamingOf(s.state.Tensors); s.naming == weights.Timm {
		for i := range s.state.Tensors {
			t := &s.state.Tensors[i]
			t.Name = weights.FromTimm(t.Name)
		}
	}
	return s, nil
}

func readOwn(path string, ema bool) (*source, error) {
	f, err := checkpoints.Read(path)
	if err != nil {
		return nil, err
	}
	s, err := fromFile(f, "checkpoint", ema)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.path = path
	return s, nil
}

// fromFile is the source of a checkpoint or an exported model.
func fromFile(f *checkpoints.File, container string, ema bool) (s *source, err error) {
	s = &source{own: f, average: ema, naming: weights.Official, state: &weights.State{Container: container}}
	if s.config, s.classes, err = Describe(f); err != nil {
		return nil, err
	}
	if ema {
		if s.own, err = averaged(f); err != nil {
			return nil, err
		}
	}
	for _, t := range s.own.Tensors {
		if strings.HasPrefix(t.Name, checkpoints.OptimizerPrefix) || strings.HasPrefix(t.Name, checkpoints.EMAPrefix) {
			s.state.Ignored = []string{"state of the training"}
			continue
		}
		w := weights.Tensor{Name: t.Name, DType: "float32", Shape: t.Shape, F32: t.F32, I64: t.I64}
		if t.I64 != nil {
			w.DType = "int64"
		}
		s.state.Tensors = append(s.state.Tensors, w)
	}
	return s, nil
}

// ConfigError says that the options of a load do not give a configuration.
type ConfigError struct{ error }

func (e ConfigError) Unwrap() error { return e.error }

// configure finds the configuration of a model for the tensors.
func (s *source) configure(o LoadOptions) (c *configs.Config, err error) {
	switch {
	case o.Config != "":
		c, err = configs.Load(o.Config, o.Settings...)
	case s.own == nil:
		arch, err := architecture(s.state.Tensors)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		if c, err = infer(s.path, arch, o.Settings); err != nil {
			return nil, ConfigError{err}
		}
	case len(o.Settings) == 0:
		return s.config, nil
	default:
		var text []byte
		if text, err = s.config.YAML(); err == nil {
			c, err = configs.Parse("config in the checkpoint", string(text), o.Settings...)
		}
	}
	if err != nil {
		return nil, ConfigError{err}
	}
	if c.Model.NumClasses == 0 && len(s.classes) == 0 {
		if c.Model.NumClasses = classesOf(s.state.Tensors); c.Model.NumClasses == 0 {
			return nil, ConfigError{fmt.Errorf("%s has no classifier that would tell the number of classes: add --set model.num_classes=N", s.path)}
		}
	}
	return c, nil
}

// fill imports the tensors and reports what became of them, also if it fails.
func (s *source) fill(store *layers.Store, c *configs.Config, o LoadOptions) error {
	ts, fresh := s.state.Tensors, func(string) bool { return false }
	if s.newHead {
		fresh = func(name string) bool { return slices.Contains(classifier, name) }
	}
	notes := s.notes
	fineTune := s.pretrained() && c.Task != "localmim"
	if fineTune {
		ts, notes = s.encoder(store, c)
		fresh = afterEncoder
	}
	t, err := importTensors(store, ts, o.AllowMissing, fresh)
	if fineTune && err == nil {
		freshHead(store, c.Model.InitStd)
	}
	s.describe(&t)
	t.Notes = append(t.Notes, notes...)
	if s.config != nil && s.config.Model.ActLayer != c.Model.ActLayer {
		t.Notes = append(t.Notes, fmt.Sprintf("the weights were trained with %s, the model has %s", s.config.Model.ActLayer, c.Model.ActLayer))
	}
	if o.Report != nil {
		o.Report(t)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

// table is that of a checkpoint which was restored as it is.
func (s *source) table(m graph.Model) Table {
	var t Table
	for _, e := range m.Store().Entries {
		row := Row{Name: e.Name, DType: "float32", Have: e.Shape, Want: e.Shape}
		if e.Counter != nil {
			row.DType = "int64"
		}
		t.Loaded = append(t.Loaded, row)
	}
	s.describe(&t)
	return t
}

func (s *source) describe(t *Table) {
	t.EMA = s.average
	t.Path, t.Container, t.Key, t.Naming, t.Ignored = s.path, s.state.Container, s.state.Key, s.naming, s.state.Ignored
}
