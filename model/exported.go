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

// ExportFormat names an exported model and its version: the weights alone, and
// what is needed to use them.
const ExportFormat = "fasternet-train export 1"

// Keys of an exported model's metadata, for programs that do not read the configuration.
// There are also the keys of a checkpoint and of [preprocess.Preprocessing.Metadata].
const (
	FoldedKey       = "folded"       // true or false
	ArchitectureKey = "architecture" // e.g. fasternet
	// WeightsKey is a SHA-256 over the initializers of an ONNX file.
	WeightsKey = "weights_sha256"
)

// Exported reports the metadata for an export of the model.
func (l *Loaded) Exported() (map[string]string, error) {
	meta, err := Meta(l.Config, l.Classes)
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

// NewFolded makes the model that a configuration describes in folded form, with
// parameters of zeros.
func NewFolded(c *configs.Config, classes int) (graph.Model, error) {
	m, err := withClasses(c.Model, classes)
	if err != nil {
		return nil, err
	}
	return graph.NewFolded(m, c.Data.ImageSize)
}

// empty makes the model that a file describes, before its tensors are read. A
// configuration that asks for more memory than the tensors take is refused
// first.
func (l *Loaded) empty() (graph.Model, error) {
	isFolded := l.File.Meta[FoldedKey] == "true"
	c, err := withClasses(l.Config.Model, len(l.Classes))
	if err != nil {
		return nil, err
	}
	if err := l.affordable(c); err != nil {
		return nil, err
	}
	if isFolded {
		return NewFolded(l.Config, len(l.Classes))
	}
	return New(l.Config, len(l.Classes))
}

// affordable says whether the tensors of the file are at least those of a model.
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
		fits = parameters <= values
	}
	if !fits {
		return fmt.Errorf("the file has %d tensors with %d values, fewer than its configuration describes", len(l.File.Tensors), values)
	}
	return nil
}

// readONNX reads an ONNX file. Its tensors are taken if its graph is the one that
// the model of its own configuration gives: else it would not be computed as it
// says.
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
		return nil, fmt.Errorf("an ONNX file of %q, format %q: only those can be read back that %s has exported", m.Producer, m.Meta[FormatKey], onnxgraph.Producer)
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
	if err := s.int8OfONNX(); err != nil {
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
	if onnxgraph.Checksum(&m.Graph) != m.Meta[WeightsKey] {
		return nil, fmt.Errorf("the weights were changed after they were exported, or are damaged: the checksum does not match")
	}
	constant := func(t formats.Tensor) bool {
		_, ok := s.model.Store().Lookup(t.Name)
		return !ok
	}
	s.own.Tensors, s.state.Tensors = slices.DeleteFunc(slices.Clone(s.own.Tensors), constant), slices.DeleteFunc(slices.Clone(s.state.Tensors), constant)
	return s, nil
}

// onnxOptions are the options that an ONNX file was written with.
func (s *source) onnxOptions(m *onnx.Model) (onnxgraph.Options, error) {
	p, err := preprocess.Of(s.config.Data, s.model.Channels())
	if err != nil {
		return onnxgraph.Options{}, err
	}
	return onnxgraph.OptionsOf(m, s.config.Data.ImageSize, onnxgraph.Pixels{Mean: p.Transform.Mean, Std: p.Transform.Std})
}
