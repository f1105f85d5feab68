package probe

import (
	"encoding/json"
	"fmt"

	"fasternet/checkpoints"
	"fasternet/formats"
	"fasternet/formats/safetensors"
)

// Dumped is the content of a file of features.
type Dumped struct {
	Train, Val   *Set
	Model, Which string // the file of the model, and the kind of features
	Weights      string // ema for averaged weights, or plain; "" if that is not known
}

const (
	formatKey  = "format"
	dumpFormat = "fasternet-train probe 1"
	modelKey   = "model"
	whichKey   = "features"
	classesKey = "classes"
	weightsKey = "weights"
)

// CheckDumpFile returns an error unless a file of features may have that name.
func CheckDumpFile(path string) error {
	if !safetensors.IsFile(path) {
		return fmt.Errorf("%s: want a name that ends in .safetensors", path)
	}
	return nil
}

// Dump writes the features of both parts to a safetensors file: the tensors
// train.features and val.features [images, features], train.labels and val.labels
// [images]. The metadata has the names of the classes, as a JSON list.
func Dump(path string, d *Dumped) error {
	if err := match(d.Train, d.Val); err != nil {
		return err
	}
	classes, err := json.Marshal(d.Train.Classes)
	if err != nil {
		return fmt.Errorf("probe: names of classes: %w", err)
	}
	f := checkpoints.File{Meta: map[string]string{
		formatKey: dumpFormat, modelKey: d.Model, whichKey: d.Which, classesKey: string(classes), weightsKey: d.Weights,
	}}
	for _, p := range []struct {
		name string
		set  *Set
	}{{"train", d.Train}, {"val", d.Val}} {
		labels := formats.Tensor{Name: p.name + ".labels", Shape: []int{p.set.Len()}}
		for _, l := range p.set.Labels {
			labels.I64 = append(labels.I64, int64(l))
		}
		f.Tensors = append(f.Tensors, labels, formats.Tensor{
			Name: p.name + ".features", Shape: []int{p.set.Len(), p.set.Width}, F32: p.set.Values,
		})
	}
	return checkpoints.Write(path, f)
}

// Load reads a file that [Dump] has written.
func Load(path string) (*Dumped, error) {
	f, err := checkpoints.Read(path)
	if err != nil {
		return nil, err
	}
	if got := f.Meta[formatKey]; got != dumpFormat {
		return nil, fmt.Errorf("probe: %s: want a file that knn or linprobe wrote with --dump, got format %q",
			path, got)
	}
	var classes []string
	if err := json.Unmarshal([]byte(f.Meta[classesKey]), &classes); err != nil {
		return nil, fmt.Errorf("probe: %s: names of classes: %w", path, err)
	}
	d := &Dumped{Model: f.Meta[modelKey], Which: f.Meta[whichKey], Weights: f.Meta[weightsKey]}
	if d.Train, err = loadSet(f, "train", classes); err == nil {
		d.Val, err = loadSet(f, "val", classes)
	}
	if err == nil {
		err = match(d.Train, d.Val)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

func loadSet(f *checkpoints.File, name string, classes []string) (*Set, error) {
	features, ok := f.Lookup(name + ".features")
	if !ok || len(features.Shape) != 2 || features.F32 == nil {
		return nil, fmt.Errorf("probe: want a tensor %s.features [images, features] of float32", name)
	}
	labels, ok := f.Lookup(name + ".labels")
	if !ok || len(labels.Shape) != 1 || labels.Shape[0] != features.Shape[0] || labels.I64 == nil {
		return nil, fmt.Errorf("probe: want a tensor %s.labels [%d] of int64, a label for each row of %s.features",
			name, features.Shape[0], name)
	}
	s := &Set{Values: features.F32, Width: features.Shape[1], Classes: classes}
	for _, l := range labels.I64 {
		s.Labels = append(s.Labels, int(l))
	}
	return s, nil
}
