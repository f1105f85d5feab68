package model

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/layers"
)

// Open makes a model from the folder of a run (its best checkpoint), a checkpoint, an exported model, a
// folder in timm's layout, or a file of weights of another program. The content tells which it is. A
// folded model stays folded. Weights without a configuration get one from config.json next to them,
// from a preset with the same shapes, or from the options.
func Open(path string, o LoadOptions) (*Loaded, error) {
	src, err := readSource(path, o)
	if err != nil {
		return nil, err
	}
	l := &Loaded{File: src.own, Path: src.path, Average: src.average}
	if src.own == nil {
		l.naming = src.state.Naming
	} else if l.Temperature, err = temperatureOf(src.own.Meta); err != nil {
		return nil, fmt.Errorf("%s: %w", src.path, err)
	}
	if l.Config, err = src.configure(o); err != nil {
		return nil, err
	}
	l.Classes, l.called, l.pretraining = src.classes, src.called, src.ofPretraining()
	chosen := SetsClasses(o.Settings) // by the user
	if l.Config.Task == "localmim" && o.Encoder {
		o.Settings = append(slices.Clone(o.Settings), "task=classify", "model.num_classes=1")
		if l.Config, err = src.configure(o); err != nil {
			return nil, err
		}
	}
	if l.Config.Task == "localmim" {
		noHead := fmt.Errorf("%s %w: it has no classifier; fine-tune it first: train PRESET --from %s",
			src.path, ErrPretraining, path)
		return nil, ConfigError{noHead}
	}
	if n := l.Config.Model.NumClasses; n != 0 && n < len(l.Classes) {
		l.Classes = nil // the options ask for another number
	}
	l.Headless = src.newHead && o.Headless && !chosen
	asItIs := src.own != nil && o.Config == "" && len(o.Settings) == 0 && !src.newHead
	switch {
	case src.encoderFile():
		l.Model, err = l.empty()
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
	if l.Thresholds, err = thresholdsOf(src.own, l.Config, l.Model.Classes()); err != nil {
		return nil, fmt.Errorf("%s: %w", src.path, err)
	}
	if asItIs {
		if err := Restore(l.Model.Store(), src.own, checkpoints.OptimizerPrefix, checkpoints.EMAPrefix); err != nil {
			return nil, fmt.Errorf("%s: %w", src.path, err)
		}
		if err := setInt8(l.Model, src.int8); err != nil {
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
	l.Untrained = src.untrained
	if err := setInt8(l.Model, src.int8); err != nil {
		return nil, fmt.Errorf("%s: %w", src.path, err)
	}
	return l, nil
}

// Start fills the model of a configuration with the weights of a run's folder, a checkpoint or foreign
// weights, to train on from there. It matches the rows of the classifier by class name. A classifier
// for other classes is left out, and a missing one begins with fresh values.
func Start(m graph.Model, c *configs.Config, path string, o LoadOptions) error {
	src, err := readSource(path, o)
	if err != nil {
		return err
	}
	if err := src.trainable(); err != nil {
		return err
	}
	if err := src.describeHub(nil); err != nil {
		src.noteUnchecked(err)
	}
	if err := src.fits(c, nil, o); err != nil {
		return err
	}
	if src.headless() {
		src.newHead = true
		src.note("the weights have no classifier: it begins with fresh values")
	}
	src.matchHead(o.Classes, m.Classes())
	return src.fill(m.Store(), c, o)
}

// trainable returns an error if a model cannot be trained on from the weights.
func (s *source) trainable() error {
	switch {
	case s.int8 != nil:
		return fmt.Errorf("%s is an export in 8 bits, which cannot be trained: take the checkpoint it was made from",
			s.path)
	case s.folded():
		return fmt.Errorf("%s is an export with folded batch norms, which cannot be trained: "+
			"take the checkpoint it was made from",
			s.path)
	}
	return nil
}

// fits returns an error if the weights belong to a different computation from the configuration, as far as
// the source tells. It notes doubts.
func (s *source) fits(c *configs.Config, settings []string, o LoadOptions) error {
	if err := s.sameFunction(c, settings); err != nil {
		return err
	}
	if s.own == nil && !o.AllowMissing {
		if err := s.unsupported(); err != nil && !s.pretrained() {
			return fmt.Errorf("%s: %w", s.path, err)
		}
	}
	s.noteFunction(c)
	s.noteImages(c)
	return nil
}

// describeHub reads config.json into the source.
func (s *source) describeHub(settings []string) (err error) {
	if s.hub == nil {
		return s.damaged
	}
	if s.config, err = s.hub.configuration(s, settings); err != nil {
		return err
	}
	var note string
	if s.classes, note = s.hub.labels(classesOf(s.state.Tensors)); note != "" {
		s.note("%s", note)
	}
	if s.called, note = s.hub.descriptions(); note != "" {
		s.note("%s", note)
	}
	return nil
}

// noteUnchecked says that config.json does not help.
func (s *source) noteUnchecked(err error) {
	text := strings.TrimSuffix(err.Error(), ": repair it, or describe the model with --config")
	s.note("%s; whether the model computes the same is not checked", text)
}

// ConfigError says that the options give no valid configuration.
type ConfigError struct{ error }

func (e ConfigError) Unwrap() error { return e.error }

// configure finds the configuration for the tensors.
func (s *source) configure(o LoadOptions) (c *configs.Config, err error) {
	if o.Config == "" && s.own == nil && !o.AllowMissing {
		if err := s.unsupported(); err != nil && !s.pretrained() {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
	}
	hubError := s.describeHub(o.Settings)
	switch {
	case o.Config != "":
		if hubError != nil {
			s.noteUnchecked(hubError)
		}
		if c, err = asConfigError(configs.Load(o.Config, o.Settings...)); err == nil {
			err = s.fits(c, o.Settings, o)
		}
	case hubError != nil:
		return nil, ConfigError{hubError}
	case s.own == nil && s.config != nil: // it has the settings already
		c = s.config
		s.notePadding(c)
	case s.own == nil:
		if c, err = s.infer(o.Settings); err == nil {
			s.notePadding(c)
		}
	case len(o.Settings) == 0:
		c = s.config
	default:
		var text []byte
		if text, err = s.config.YAML(); err == nil {
			c, err = asConfigError(configs.Parse("config in the checkpoint", string(text), o.Settings...))
		}
	}
	if err != nil {
		return nil, err
	}
	noClassifier := s.pretrained() || s.encoderFile() || s.own == nil && s.headless() && !o.AllowMissing
	if c.Classifies() && noClassifier {
		what := "has no classifier"
		if s.ofPretraining() {
			what = "comes from a pre-training (task localmim): it has no classifier"
		}
		if !o.Encoder && !o.Headless {
			noHead := fmt.Errorf("%s %s; fine-tune it first: train CONFIG --from %[1]s "+
				"(features, knn and linprobe need no classifier)", s.path, what)
			return nil, ConfigError{noHead}
		}
		s.newHead = true
	}
	if c.Model.NumClasses == 0 && len(s.classes) == 0 {
		withHead := *c
		withHead.Model.NumClasses = max(classesOf(s.state.Tensors), 1)
		return &withHead, nil
	}
	return c, nil
}

// fill imports the tensors and reports what happened to them, also after an error.
func (s *source) fill(store *layers.Store, c *configs.Config, o LoadOptions) error {
	ts, fresh := s.state.Tensors, func(string) bool { return false }
	fineTune := s.ofPretraining() && c.Task != "localmim"
	antialias := !fineTune
	switch {
	case fineTune && s.pretrained():
		var notes []string
		ts, notes = s.encoder(c)
		s.notes = append(s.notes, notes...)
		fresh = afterEncoder(c.Model.Name)
	case s.newHead:
		ts, fresh = s.withoutHead(ts, store)
	}
	if c.Task != "localmim" {
		var notes []string
		ts, notes = fitSizes(weightsOf(torch.Family(c.Model.Name)), ts, store, antialias)
		s.notes = append(s.notes, notes...)
	}
	t, err := importTensors(store, ts, o.AllowMissing, o.remedies().AllowMissing, fresh)
	if fineTune && err == nil {
		freshHead(store, c.Model.InitStd)
	}
	s.untrained = betweenEncoderAndHead(t.Fresh)
	s.describe(&t)
	if s.config != nil {
		if f := weightsOf(torch.Family(c.Model.Name)).Trained; f != nil {
			t.Notes = append(t.Notes, f(s.config.Model, c.Model)...)
		}
	}
	if o.Report != nil {
		o.Report(t)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

// withoutHead reports which tensors of a model may be missing in weights without a classifier: the
// classifier and, if the file lacks them, the layers between it and the encoder. It leaves out the final
// norm of another pool: the model's own begins with fresh values.
func (s *source) withoutHead(ts []formats.Tensor, store *layers.Store) ([]formats.Tensor, func(string) bool) {
	head := slices.Clone(classifier)
	if s.headless() {
		head = append(head, "avgpool_pre_head.1.weight")
		// The decoder of another pre-training, such as MAE.
		encoder := slices.DeleteFunc(slices.Clone(ts), func(t formats.Tensor) bool {
			return t.Name == "mask_token" || strings.HasPrefix(t.Name, "decoder_")
		})
		if n := len(ts) - len(encoder); n > 0 {
			ts = encoder
			s.note("%d tensors of a decoder are not used", n)
		}
		for _, norm := range []string{"norm.", "fc_norm."} {
			_, inModel := store.Lookup(norm + "weight")
			inFile := slices.ContainsFunc(ts, func(t formats.Tensor) bool { return t.Name == norm+"weight" })
			switch {
			case inModel && !inFile:
				head = append(head, norm+"weight", norm+"bias")
				s.note("the weights have no %s*: it begins with fresh values", norm)
			case inFile && !inModel:
				ts = slices.DeleteFunc(slices.Clone(ts), func(t formats.Tensor) bool {
					return strings.HasPrefix(t.Name, norm)
				})
				s.note("%s* of the weights belongs to a different pool from the model's: it is not used", norm)
			}
		}
	}
	after := func(string) bool { return false }
	if s.encoderFile() { // which lacks more than the classifier, if a pre-training did not train it
		after = afterEncoder(string(s.state.Family))
	}
	return ts, func(name string) bool { return slices.Contains(head, name) || after(name) }
}

// table returns the table of a checkpoint that was restored as it is.
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
	t.Path, t.Container, t.Key = s.path, s.state.Container, s.state.Key
	t.Naming, t.Ignored = s.state.Naming, s.state.Ignored
	t.Notes = append(t.Notes, s.notes...)
}
