package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/data/preprocess"
	"fasternet/export/onnxgraph"
	"fasternet/formats"
	"fasternet/formats/onnx"
	"fasternet/graph"
)

// ExportFormat names the format of an exported model and its version: the weights, and what is needed
// to use them.
const ExportFormat = "fasternet-train export 1"

// Keys of an exported model's metadata, for programs that do not read the configuration.
// There are also the keys of a checkpoint and of [preprocess.Preprocessing.Metadata].
const (
	FoldedKey       = "folded"       // true or false
	ArchitectureKey = "architecture" // e.g. fasternet
	// FeaturesKey names what an encoder without a classifier gives: see [Loaded.Features]. The export of a
	// classifier does not have it.
	FeaturesKey = onnxgraph.FeaturesMeta
	// PretrainingKey is localmim if a pre-training has trained the encoder, and nothing after it.
	PretrainingKey = "pretraining"
	// WeightsKey is a SHA-256 over the initializers of an ONNX file.
	WeightsKey = "weights_sha256"
)

// Exported returns the metadata for an export of the model.
func (l *Loaded) Exported() (map[string]string, error) {
	config, classes := l.Config, l.Classes
	if l.Headless {
		c := *config
		c.Model.NumClasses = 0
		config, classes = &c, []string{}
	}
	meta, err := Meta(config, classes)
	if err != nil {
		return nil, err
	}
	p, err := preprocess.Of(l.Config.Data, l.Model.Channels())
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	images, err := p.Metadata()
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	maps.Copy(meta, images)
	meta[FormatKey], meta[UsedKey] = ExportFormat, l.Used()
	meta[FoldedKey] = strconv.FormatBool(folded(l.Model))
	meta[ArchitectureKey], meta[TaskKey] = l.Config.Model.Name, l.Config.Task
	if graph.IsInt8(l.Model) {
		meta[PrecisionKey] = int8Precision
	}
	l.describeEncoder(meta)
	l.describeTemperature(meta)
	if err := AddThresholds(meta, l.Thresholds); err != nil {
		return nil, err
	}
	return meta, nil
}

func folded(m graph.Model) bool {
	f, ok := m.(graph.Foldable)
	return ok && f.Folded()
}

// NewFolded makes the model of a configuration in folded form, with parameters of zero.
func NewFolded(c *configs.Config, classes int) (graph.Model, error) {
	m, err := withClasses(c.Model, classes)
	if err != nil {
		return nil, err
	}
	return graph.NewFolded(m, c.Data.ImageSize)
}

// empty makes the model that a file describes, before its tensors are read. It first refuses a
// configuration that asks for more memory than the tensors take.
func (l *Loaded) empty() (graph.Model, error) {
	isFolded := l.File.Meta[FoldedKey] == "true"
	classes := len(l.Classes)
	if isEncoder(l.File) {
		classes = max(classes, 1)
	}
	c, err := withClasses(l.Config.Model, classes)
	if err != nil {
		return nil, err
	}
	if err := l.affordable(c); err != nil {
		return nil, err
	}
	if isFolded {
		return NewFolded(l.Config, classes)
	}
	return New(l.Config, classes)
}

// affordable returns an error if the file has fewer tensors or values than its model.
func (l *Loaded) affordable(c configs.Model) error {
	blocks, values := 0, 0
	if m, ok := c.Arch.(configs.Staged); ok {
		blocks = m.Blocks()
	}
	for _, t := range l.File.Tensors {
		values += len(t.F32)
	}
	fits := blocks <= len(l.File.Tensors)
	if fits {
		parameters, err := graph.Parameters(c, l.Config.Data.ImageSize, l.File.Meta[FoldedKey] == "true")
		if err != nil {
			return err
		}
		fits = parameters <= values || isEncoder(l.File) && nearly(parameters, values)
	}
	if !fits {
		return fmt.Errorf("the file has %d tensors with %d values, fewer than its configuration describes",
			len(l.File.Tensors), values)
	}
	return nil
}

// readONNX reads an ONNX file. It takes the tensors only if the graph equals the graph of the model in
// the file's own configuration. Otherwise we would compute something else than the file says.
func readONNX(path string, o LoadOptions) (*source, error) {
	m, err := onnx.Read(path)
	if err != nil {
		return nil, err
	}
	s, err := fromONNX(m, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.path = path
	return s, nil
}

func fromONNX(m *onnx.Model, o LoadOptions) (*source, error) {
	if m.Producer != onnxgraph.Producer || m.Meta[FormatKey] != ExportFormat {
		return nil, fmt.Errorf("an ONNX file of %q, format %q: only files exported by %s can be read",
			m.Producer, m.Meta[FormatKey], onnxgraph.Producer)
	}
	f := &checkpoints.File{Meta: m.Meta}
	var err error
	if f.Tensors, err = onnxTensors(&m.Graph); err != nil {
		return nil, err
	}
	s, err := fromFile(f, "ONNX", o)
	if err != nil {
		return nil, err
	}
	f = s.own
	if s.model, err = (&Loaded{File: f, Config: s.config, Classes: s.classes}).empty(); err != nil {
		return nil, err
	}
	if err := s.int8OfONNX(m.Meta); err != nil {
		return nil, err
	}
	options, err := s.onnxOptions(m)
	if err == nil {
		err = onnxgraph.CheckAs(m, s.model, options)
	}
	if errors.As(err, new(*onnxgraph.NoFormError)) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("the ONNX graph was changed after it was exported: %w", err)
	}
	if onnxgraph.Checksum(&m.Graph, m.Meta[GridsKey]) != m.Meta[WeightsKey] {
		return nil, fmt.Errorf("the checksum does not match: the weights were changed after the export, or are damaged")
	}
	constant := func(t formats.Tensor) bool {
		_, ok := s.model.Store().Lookup(t.Name)
		return !ok
	}
	s.own.Tensors = slices.DeleteFunc(slices.Clone(s.own.Tensors), constant)
	s.state.Tensors = slices.DeleteFunc(slices.Clone(s.state.Tensors), constant)
	return s, nil
}

// onnxOptions returns the options that an ONNX file was written with.
func (s *source) onnxOptions(m *onnx.Model) (onnxgraph.Options, error) {
	p, err := preprocess.Of(s.config.Data, s.model.Channels())
	if err != nil {
		return onnxgraph.Options{}, err
	}
	return onnxgraph.OptionsOf(m, s.config.Data.ImageSize, onnxgraph.Pixels{
		Mean: p.Transform.Mean,
		Std:  p.Transform.Std,
	})
}
