package predict

import (
	"context"
	"encoding/json"
	"fmt"

	"fasternet/checkpoints"
	"fasternet/data/classes"
	"fasternet/eval"
	"fasternet/formats"
	"fasternet/graph"
)

// Guess is a class that an image may show.
type Guess = classes.Guess

// TopK returns the k most probable classes of an image: see [classes.AppendTop].
func TopK(logits []float32, k int, names []string) []Guess {
	return classes.AppendTop(nil, logits, k, names)
}

// DescribeNames says in a line which outputs of a model have no name, and how they are
// listed. It is "" if all have one.
func DescribeNames(outputs int, names []string) string {
	switch named := classes.Named(outputs, names); named {
	case outputs:
		return ""
	case 0:
		return "the model has no names for its classes: they are listed by their numbers"
	default:
		return fmt.Sprintf("the model has %d outputs, but names for only %d: the others are not listed", outputs, named)
	}
}

// Outcome says what happened to the inputs.
type Outcome struct {
	Count     int // number of images that the model has seen
	Skipped   []eval.Bad
	NotFinite []string // images with a logit that is NaN or infinite
}

// Classify writes the classes of each image to out. answer turns the logits of an image into
// classes, such as [TopK]. keep collects the logits, unless it is nil.
func Classify(
	ctx context.Context, r *graph.Runner, in *Inputs, o Options,
	answer func(logits []float32) []Guess, out Writer, keep *Logits,
) (*Outcome, error) {
	result := &Outcome{}
	var err error
	result.Skipped, err = in.each(ctx, r, o, false, func(name string, row eval.Row) error {
		result.Count++
		if !finite(row.Logits) {
			result.NotFinite = append(result.NotFinite, name)
		}
		if keep != nil {
			keep.add(name, row.Logits)
		}
		return out.Write(name, answer(row.Logits))
	})
	if err != nil {
		return nil, err
	}
	return result, out.Close()
}

func finite(values []float32) bool {
	for _, v := range values {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// Logits collects logits and the names of their images.
type Logits struct {
	Names  []string
	Values []float32 // [len(Names), classes]
}

func (l *Logits) add(name string, logits []float32) {
	l.Names = append(l.Names, name)
	l.Values = append(l.Values, logits...)
}

// Write writes a safetensors file with the tensor logits [images, classes]. The
// metadata has the names of the images (files) and, if given, of the classes
// (classes), each as a JSON list.
func (l *Logits) Write(path string, classNames []string) error {
	f := checkpoints.File{Tensors: []formats.Tensor{{
		Name: "logits", Shape: []int{len(l.Names), len(l.Values) / max(len(l.Names), 1)}, F32: l.Values,
	}}}
	if err := describe(&f, l.Names, classNames); err != nil {
		return err
	}
	return checkpoints.Write(path, f)
}

// describe writes the names of images and classes to the metadata of a file.
func describe(f *checkpoints.File, files, classNames []string) error {
	// Readers of safetensors refuse headers above 100 MB.
	const most = 40_000_000
	f.Meta = map[string]string{}
	for _, names := range []struct {
		key  string
		list []string
	}{{"files", files}, {"classes", classNames}} {
		if len(names.list) == 0 {
			continue
		}
		text, err := json.Marshal(names.list)
		if err != nil {
			return fmt.Errorf("predict: names: %w", err)
		}
		if len(text) > most {
			return fmt.Errorf("predict: too many names of %s (%d) for the header of a safetensors file: "+
				"run on fewer at a time", names.key, len(names.list))
		}
		f.Meta[names.key] = string(text)
	}
	return nil
}
