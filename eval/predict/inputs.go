package predict

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/graph"
)

// Inputs are the images to run a model on, in order.
type Inputs struct {
	parts []part
	count int
	// Labelled is set if they come from a data set whose labels mean something.
	Labelled bool
	classes  []string
	// LeftOut lists the files in the folders that are not among the images.
	LeftOut []data.LeftOut
}

// part is a data set of images, or an array.
type part struct {
	images data.Dataset
	array  *array
	path   string // the file of the array
}

// Open lists images. A path is an image file, a folder to search for images, or an .npy or
// .safetensors file with preprocessed images [n, channels, height, width] of float32. how
// says how to decode image files.
func Open(paths []string, channels int, how picture.Decoding) (*Inputs, error) {
	in := &Inputs{}
	var files sets.Files
	flush := func() {
		if len(files) > 0 {
			in.add(part{images: files.As(how)}, len(files))
			files = nil
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, fmt.Errorf("predict: %w", err)
		case info.IsDir():
			found, left, err := sets.ListImages(path)
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
			in.LeftOut = append(in.LeftOut, left...)
		case isArray(path):
			flush()
			a, err := openArray(path, channels)
			if err != nil {
				return nil, err
			}
			in.add(part{array: a, path: path}, a.Shape[0])
		default:
			files = append(files, path)
		}
	}
	flush()
	if in.count == 0 {
		return nil, fmt.Errorf("predict: no images: name image files or folders")
	}
	return in, nil
}

// FromDataset takes the samples of a data set as inputs.
func FromDataset(ds data.Dataset) *Inputs {
	in := &Inputs{Labelled: true, classes: ds.Classes(), LeftOut: data.LeftOutOf(ds)}
	in.add(part{images: ds}, ds.Len())
	return in
}

func (in *Inputs) add(p part, n int) {
	in.parts = append(in.parts, p)
	in.count += n
}

// Len returns the number of images.
func (in *Inputs) Len() int { return in.count }

// Name returns the name of image i: its file, with the index if it is in an array.
func (in *Inputs) Name(i int) string {
	for _, p := range in.parts {
		n := p.len()
		if i < n {
			return p.name(i)
		}
		i -= n
	}
	return ""
}

// ArraySizes returns the heights and widths of the images in arrays, each once.
func (in *Inputs) ArraySizes() (sizes [][2]int) {
	for _, p := range in.parts {
		if p.array == nil {
			continue
		}
		if size := [2]int{p.array.Shape[2], p.array.Shape[3]}; !slices.Contains(sizes, size) {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

func (p part) len() int {
	if p.array != nil {
		return p.array.Shape[0]
	}
	return p.images.Len()
}

func (p part) name(i int) string {
	if p.array != nil {
		return fmt.Sprintf("%s[%d]", p.path, i)
	}
	return p.images.Name(i)
}

// Options say how to run a model over inputs.
type Options struct {
	// Transform is for image files; arrays are used unchanged. With [data.Views], which cannot be used for
	// arrays and features, the probabilities of several views are averaged.
	Transform      data.Transform
	Batch, Workers int
	SkipBad        bool                  // leave out images that cannot be read, without an error
	Progress       func(done, total int) // may be nil
	// The draws of a random transform depend on the seed, the epoch and the image.
	Seed  uint64
	Epoch int
}

// each visits the images in order, with their names. It returns the images that were
// left out.
func (in *Inputs) each(
	ctx context.Context, r *graph.Runner, o Options, features bool, visit func(name string, row eval.Row) error,
) ([]eval.Bad, error) {
	_, several := o.Transform.(*data.Views)
	if several && features {
		return nil, errors.New("predict: several views of an image have no common features")
	}
	if several && len(in.ArraySizes()) > 0 {
		return nil, errors.New("predict: several views need image files: an array is already prepared")
	}
	var bad []eval.Bad
	before := 0
	for _, p := range in.parts {
		progress := func(done, _ int) {
			if o.Progress != nil {
				o.Progress(before+done, in.count)
			}
		}
		see := func(row eval.Row) error { return visit(p.name(row.Index), row) }
		if p.array != nil {
			if err := eachOfArray(ctx, r, p.array, o.Batch, features, progress, see); err != nil {
				return nil, fmt.Errorf("%s: %w", p.path, err)
			}
		} else {
			how := eval.Options{
				Batch: o.Batch, Workers: o.Workers, SkipBad: o.SkipBad, Features: features, Progress: progress,
				Seed: o.Seed, Epoch: o.Epoch,
			}
			var more []eval.Bad
			var err error
			if several {
				more, err = eval.EachOf(ctx, []eval.Member{{Runner: r, Data: p.images, Transform: o.Transform}}, how,
					func(index, label int, logits [][]float32) error {
						return see(eval.Row{Index: index, Label: label, Logits: logits[0]})
					})
			} else {
				more, err = eval.Each(ctx, r, p.images, o.Transform, how, see)
			}
			if err != nil {
				return nil, err
			}
			bad = append(bad, more...)
		}
		before += p.len()
	}
	return bad, eval.NoneRead(bad, in.count)
}

func eachOfArray(
	ctx context.Context, r *graph.Runner, a *array, batch int, features bool,
	progress func(done, total int), visit func(eval.Row) error,
) error {
	count, channels, height, width := a.Shape[0], a.Shape[1], a.Shape[2], a.Shape[3]
	batch = min(batch, count)
	pixels := height * width
	planes := make([]float32, batch*channels*pixels)
	images := make([]float32, len(planes))
	for first := 0; first < count; first += batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(batch, count-first)
		planes, images := planes[:n*channels*pixels], images[:n*channels*pixels]
		if err := a.values(first*channels*pixels, planes); err != nil {
			return err
		}
		swapLayout(images, planes, n, channels, pixels)
		p, logits, err := eval.Forward(r, graph.Shape{Batch: n, Height: height, Width: width}, images, features)
		if err != nil {
			return err
		}
		classes := len(logits) / n
		for k := range n {
			row := eval.Row{
				Index:   first + k,
				Logits:  logits[k*classes : (k+1)*classes],
				Program: p,
				At:      k,
			}
			if err := visit(row); err != nil {
				return err
			}
		}
		progress(first+n, count)
	}
	return nil
}

// swapLayout transposes src [n, a, b] to dst [n, b, a].
func swapLayout(dst, src []float32, n, a, b int) {
	for k := range n {
		src, dst := src[k*a*b:(k+1)*a*b], dst[k*a*b:(k+1)*a*b]
		for i := range a {
			for j, v := range src[i*b : (i+1)*b] {
				dst[j*a+i] = v
			}
		}
	}
}
