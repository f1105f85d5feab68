// Package model makes models from configurations, and moves their state to and from checkpoints.
package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph"
	_ "fasternet/graph/families" // registers the models that configurations name
	"fasternet/layers"
)

// The keys of a checkpoint's metadata.
const (
	FormatKey  = "format"
	ConfigKey  = "config"  // the resolved configuration, YAML
	ClassesKey = "classes" // names by index, JSON
)

// format names the container and its version. The name of every version begins with formatFamily.
const (
	formatFamily = "fasternet-train "
	format       = CheckpointFormat
)

// CheckpointFormat names a checkpoint and its version.
const CheckpointFormat = formatFamily + "checkpoint 1"

// New makes the model of a configuration for the given number of classes, with fresh parameters.
func New(c *configs.Config, classes int) (graph.Model, error) {
	m, err := withClasses(c.Model, classes)
	if err != nil {
		return nil, err
	}
	return graph.New(m, c.Data.ImageSize, c.Seed)
}

func withClasses(m configs.Model, classes int) (configs.Model, error) {
	switch {
	case m.NumClasses == 0:
		m.NumClasses = classes
	case m.NumClasses < classes:
		return m, fmt.Errorf("model.num_classes: the data set has %d classes, the model only %d: "+
			"set it to 0 to use the number of the data set",
			classes, m.NumClasses)
	}
	return m, nil
}

// Meta returns the metadata that describe a model in a checkpoint.
func Meta(c *configs.Config, classes []string) (map[string]string, error) {
	text, err := c.YAML()
	if err != nil {
		return nil, err
	}
	names, err := json.Marshal(classes)
	if err != nil {
		return nil, fmt.Errorf("model: class names: %w", err)
	}
	return map[string]string{FormatKey: format, ConfigKey: string(text), ClassesKey: string(names)}, nil
}

// Tensors returns the state of a model for a checkpoint. It shares memory with the model.
func Tensors(s *layers.Store) []formats.Tensor {
	var ts []formats.Tensor
	for _, e := range s.Entries {
		t := formats.Tensor{Name: e.Name, Shape: slices.Clone([]int(e.Shape))}
		switch {
		case e.Param != nil:
			t.F32 = e.Param.Data()
		case e.Buffer != nil:
			t.F32 = e.Buffer
		default:
			t.I64 = []int64{*e.Counter}
		}
		ts = append(ts, t)
	}
	for _, c := range s.Computed {
		ts = append(ts, formats.Tensor{Name: c.Name, Shape: c.Shape, I64: c.Values})
	}
	return ts
}

// Restore fills a model from the tensors of a checkpoint. It ignores tensors whose names begin with one
// of the prefixes. Any other tensor that is missing, unknown or of another shape is an error, and
// nothing is changed.
func Restore(s *layers.Store, f *checkpoints.File, others ...string) error {
	found := map[string]formats.Tensor{}
	for _, t := range f.Tensors {
		if s.IsComputed(t.Name) ||
			slices.ContainsFunc(others, func(p string) bool { return strings.HasPrefix(t.Name, p) }) {
			continue
		}
		if _, ok := s.Lookup(t.Name); !ok {
			return fmt.Errorf("the checkpoint has a tensor %s, which the model lacks: it belongs to another model",
				t.Name)
		}
		found[t.Name] = t
	}
	for _, e := range s.Entries {
		t, ok := found[e.Name]
		if !ok {
			return fmt.Errorf("the checkpoint lacks tensor %s: it belongs to another model", e.Name)
		}
		if !slices.Equal(t.Shape, []int(e.Shape)) || (t.I64 != nil) != (e.Counter != nil) {
			return fmt.Errorf("tensor %s has shape %v in the checkpoint and %v in the model: "+
				"it belongs to another model",
				e.Name, t.Shape, []int(e.Shape))
		}
	}
	for _, e := range s.Entries {
		t := found[e.Name]
		switch {
		case e.Param != nil:
			copy(e.Param.Data(), t.F32)
			e.Param.Changed()
		case e.Buffer != nil:
			copy(e.Buffer, t.F32)
		default:
			*e.Counter = t.I64[0]
		}
	}
	return nil
}

// Loaded is a model from a file.
type Loaded struct {
	Model   graph.Model
	Config  *configs.Config
	Classes []string // names by index; none of foreign weights
	// Thresholds are the probabilities from which an image has a class, for task multilabel; nil if the
	// file has none.
	Thresholds []float64
	File       *checkpoints.File // nil for foreign weights
	Path       string
	Average    bool // the weights are averaged
	// Headless says that the file has no classifier. The model has a meaningless one with a single class.
	Headless bool
	// Untrained names the tensors between the encoder and the classifier that the file lacks: the model has
	// random values there, so nothing after them is a feature. A file of a FasterNet's pre-training lacks
	// them. Norms do not count: a fresh one has scale 1 and shift 0.
	Untrained []string
	// Temperature divides the logits of an exported model already; 0 if it has none.
	Temperature float64
	naming      torch.Naming      // of foreign weights; "" of ours
	called      map[string]string // what people call the classes, by name; nil if the file has no such names
	pretraining bool              // LocalMIM has trained the weights, and nothing after it
}

// Used names the weights of a run: ema for averaged ones, or plain.
func (l *Loaded) Used() string {
	if l.Average {
		return string(torch.EMA)
	}
	return string(torch.Plain)
}

// Describe reads the configuration and the class names of a checkpoint or an exported model. It ignores
// the file's settings for threads and loader workers ([configs.Config.ForgetMachine]).
func Describe(f *checkpoints.File) (*configs.Config, []string, error) {
	if got := f.Meta[FormatKey]; got != format && got != ExportFormat {
		return nil, nil, fmt.Errorf("its format is %q, want %q or %q", got, format, ExportFormat)
	}
	c, err := configs.Parse("config in the checkpoint", f.Meta[ConfigKey])
	if err != nil {
		return nil, nil, err
	}
	c.ForgetMachine()
	var classes []string
	if err := json.Unmarshal([]byte(f.Meta[ClassesKey]), &classes); err != nil {
		return nil, nil, fmt.Errorf("its class names: %w", err)
	}
	if len(classes) > configs.MostClasses {
		return nil, nil, fmt.Errorf("its class names: want %d or fewer, got %d", configs.MostClasses, len(classes))
	}
	return c, classes, nil
}

// Load calls Open without options.
func Load(path string) (*Loaded, error) { return Open(path, LoadOptions{Remedies: &Remedies{}}) }
