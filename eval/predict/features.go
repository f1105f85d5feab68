package predict

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fasternet/checkpoints"
	"fasternet/eval"
	"fasternet/formats"
	"fasternet/formats/npy"
	"fasternet/graph"
	"fasternet/internal/printable"
	"fasternet/layers"
)

// Features are values from within a network, for a number of images.
type Features struct {
	Arrays  []FeatureArray
	Names   []string // one for each image
	Labels  []int    // one for each image, if the images come from a data set
	Classes []string // the names of the labels
	Outcome
}

// FeatureArray is one kind of features.
type FeatureArray struct {
	Name   string
	Shape  []int // [images, channels], or [images, channels, height, width] for maps
	Values []float32
}

// The kinds of features, besides the maps of single stages.
const (
	Pooled    = layers.Pooled    // [images, channels]: the mean over the last map
	PreLogits = layers.PreLogits // [images, features]: the input of the last linear layer
	AllStages = "all"            // the maps at the end of every stage
)

// FeatureName returns the name in [Extract] for what a user calls pooled, prelogits, all,
// or the number of a stage, from 1.
func FeatureName(stage string) (string, error) {
	switch stage {
	case Pooled, PreLogits, AllStages:
		return stage, nil
	}
	if n, err := strconv.Atoi(stage); err == nil && n > 0 {
		return layers.StageName(n - 1), nil
	}
	return "", fmt.Errorf("want pooled, prelogits, all, or the number of a stage, got %q", stage)
}

// maxFeatures is the largest number of values to collect; they are kept in memory.
const maxFeatures = 1 << 30

// Extract collects features: pooled, prelogits or stage1, stage2, … as package graph calls
// them, or the features of all stages. With average, it takes the mean over each map instead
// of the map.
func Extract(ctx context.Context, r *graph.Runner, in *Inputs, o Options, which string,
	average bool) (*Features, error) {
	f := &Features{}
	if in.Labelled {
		f.Classes = in.classes
	}
	var err error
	f.Skipped, err = in.each(ctx, r, o, true, func(name string, row eval.Row) error {
		if f.Arrays == nil {
			if f.Arrays = chosen(row.Program, which); len(f.Arrays) == 0 {
				return fmt.Errorf("--stage: the model has no stages; it has %s",
					strings.Join(row.Program.FeatureNames(), ", "))
			}
		}
		for i := range f.Arrays {
			if err := f.Arrays[i].add(row, average, in.Len()); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		f.Names = append(f.Names, name)
		if in.Labelled {
			f.Labels = append(f.Labels, row.Label)
		}
		if !finite(row.Logits) {
			f.NotFinite = append(f.NotFinite, name)
		}
		f.Count++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

func chosen(p *graph.Program, which string) []FeatureArray {
	if which != AllStages {
		return []FeatureArray{{Name: which}}
	}
	var all []FeatureArray
	for _, name := range p.FeatureNames() {
		if strings.HasPrefix(name, "stage") {
			all = append(all, FeatureArray{Name: name})
		}
	}
	return all
}

// add appends the features of one image; images is the number of images in all.
func (a *FeatureArray) add(row eval.Row, average bool, images int) error {
	values, shape, err := row.Program.Feature(a.Name)
	if err != nil {
		return err
	}
	size := len(values) / shape[0]
	values = values[row.At*size : (row.At+1)*size]
	one := shape[1:] // the shape for one image
	if len(shape) == 4 {
		height, width, channels := shape[1], shape[2], shape[3]
		planes := make([]float32, size)
		swapLayout(planes, values, 1, height*width, channels)
		values, one = planes, []int{channels, height, width}
		if average {
			values, one = means(planes, channels), []int{channels}
		}
	}
	if a.Shape == nil {
		if n := images * len(values); n > maxFeatures {
			return fmt.Errorf("the features of %d images, %d of %s each, are %.1f GiB: "+
				"want fewer images, or the mean of each map (--pool avg)",
				images, len(values), a.Name, float64(n)*4/(1<<30))
		}
		a.Shape = append([]int{0}, one...)
		a.Values = make([]float32, 0, images*len(values))
	}
	if !slices.Equal(a.Shape[1:], one) {
		return fmt.Errorf("its features of %s have shape %v, but the ones before %v: "+
			"want images of one size, or the mean of each map (--pool avg)",
			a.Name, one, a.Shape[1:])
	}
	a.Shape[0]++
	a.Values = append(a.Values, values...)
	return nil
}

// means averages planes of equal size, one for each channel.
func means(planes []float32, channels int) []float32 {
	out := make([]float32, channels)
	n := len(planes) / channels
	for c := range out {
		var sum float64
		for _, v := range planes[c*n : (c+1)*n] {
			sum += float64(v)
		}
		out[c] = float32(sum / float64(n))
	}
	return out
}

// CheckFeaturesFile returns an error unless features of that kind can be written to a file
// of that name.
func CheckFeaturesFile(path, which string) error {
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case ext != ".npy" && ext != ".safetensors":
		return fmt.Errorf("%s: want a name that ends in .npy or .safetensors", path)
	case ext == ".npy" && which == AllStages:
		return fmt.Errorf("%s: an .npy file holds one array: want .safetensors for all stages", path)
	}
	return nil
}

// namesFile returns the file, next to an .npy file, that has the names of the images.
func namesFile(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) + ".csv" }

// Write writes the features to a file. A safetensors file has a tensor for each kind and
// labels [images], if there are any; its metadata has the names of the images (files) and of
// the classes (classes), each as a JSON list. An .npy file has only the array; names and
// labels go to a .csv file of the same name.
func (f *Features) Write(path string) error {
	if len(f.Arrays) == 0 {
		return errors.New("predict: there are no features to write")
	}
	if strings.EqualFold(filepath.Ext(path), ".npy") {
		a := f.Arrays[0]
		err := checkpoints.WriteAtomic(path, func(w io.Writer) error { return npy.Write(w, a.Shape, a.Values) })
		if err != nil {
			return err
		}
		return checkpoints.WriteAtomic(namesFile(path), f.writeNames)
	}
	var file checkpoints.File
	for _, a := range f.Arrays {
		file.Tensors = append(file.Tensors, formats.Tensor{Name: a.Name, Shape: a.Shape, F32: a.Values})
	}
	if f.Labels != nil {
		t := formats.Tensor{Name: "labels", Shape: []int{len(f.Labels)}}
		for _, l := range f.Labels {
			t.I64 = append(t.I64, int64(l))
		}
		file.Tensors = append(file.Tensors, t)
	}
	if err := describe(&file, f.Names, f.Classes); err != nil {
		return err
	}
	return checkpoints.Write(path, file)
}

func (f *Features) writeNames(w io.Writer) error {
	c := csv.NewWriter(w)
	head := []string{"row", "file"}
	if f.Labels != nil {
		head = append(head, "label", "class")
	}
	c.Write(head)
	for i, name := range f.Names {
		row := []string{strconv.Itoa(i), name}
		if f.Labels != nil {
			row = append(row, strconv.Itoa(f.Labels[i]), eval.ClassName(f.Classes, f.Labels[i]))
		}
		c.Write(printable.Row(row))
	}
	c.Flush()
	return c.Error()
}
