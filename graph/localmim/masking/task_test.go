package masking_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/graph/localmim/masking"
)

// noise is a data set of random images.
type noise struct{ n, height, width int }

func (d noise) Len() int          { return d.n }
func (d noise) Classes() []string { return []string{"noise"} }
func (d noise) Label(int) int     { return 0 }
func (d noise) Name(i int) string { return fmt.Sprint("noise ", i) }
func (d noise) Image(i int) (*picture.Image, error) {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	m := picture.NewImage(d.height, d.width, 3)
	for k := range m.Pix {
		m.Pix[k] = uint8(r.Uint32())
	}
	return m, nil
}

func transform(size int) *data.TrainTransform {
	return &data.TrainTransform{Size: size, Scale: [2]float64{0.2, 1}, Ratio: [2]float64{0.75, 1.33}, HFlip: 0.5,
		Mean: []float32{0.5, 0.5, 0.5}, Std: []float32{0.25, 0.25, 0.25}, Channels: 3, Interpolation: picture.Bicubic}
}

func newTask(t testing.TB, size int, masks masking.Masks) *masking.Task {
	t.Helper()
	hog, err := masking.NewHOG(size, size, 3, 9, masks.Cells(), nil)
	if err != nil {
		t.Fatal(err)
	}
	task, err := masking.NewTask(size, size, 3, masks, hog)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func columnar(t testing.TB) *masking.Columnar {
	t.Helper()
	c, err := masking.NewColumnar(64, 64, 16, 0.75, []float64{4, 2, 1, 0.5})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pyramid(t testing.TB, perSample bool) *masking.Pyramid {
	t.Helper()
	p, err := masking.NewPyramid(masking.PyramidOptions{Height: 64, Width: 64, Patch: 4, Stages: 3, Ratio: 0.5, PerSample: perSample})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// each runs two epochs and calls f with every batch.
func each(t *testing.T, task *masking.Task, workers int, f func(b *data.Batch, e *masking.Batch)) {
	t.Helper()
	loader, err := data.NewLoader(noise{10, 70, 70}, data.LoaderOptions{Batch: 4, Workers: workers, Prefetch: 1, Shuffle: true, Seed: 3,
		Transform: transform(64), Extra: task})
	if err != nil {
		t.Fatal(err)
	}
	for epoch := range 2 {
		it := loader.Epoch(context.Background(), epoch, 0)
		defer it.Close()
		for {
			b, err := it.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			f(b, b.Extra.(*masking.Batch))
		}
	}
}

func TestBatchesCarryTheirTask(t *testing.T) {
	for _, c := range []struct {
		name  string
		masks masking.Masks
	}{{"columnar", columnar(t)}, {"pyramid", pyramid(t, false)}, {"pyramid by sample", pyramid(t, true)}} {
		t.Run(c.name, func(t *testing.T) {
			task := newTask(t, 64, c.masks)
			var first []masking.Batch
			for _, workers := range []int{1, 3} {
				at := 0
				each(t, task, workers, func(b *data.Batch, e *masking.Batch) {
					check(t, task, b, e)
					now := clone(e)
					if workers == 1 {
						first = append(first, now)
					} else if !reflect.DeepEqual(now, first[at]) {
						t.Errorf("step %d with %d workers is not what it is with one", b.Step, workers)
					}
					at++
				})
			}
			if len(first) != 6 {
				t.Fatalf("%d batches, want 6", len(first))
			}
			for _, other := range first[1:] {
				n := min(len(other.Mask), len(first[0].Mask))
				if slices.Equal(other.Mask[:n], first[0].Mask[:n]) {
					t.Error("two batches have the same masks")
				}
			}
		})
	}
}

// clone is the exported part of a batch.
func clone(e *masking.Batch) masking.Batch {
	out := masking.Batch{Mask: slices.Clone(e.Mask), Keep: slices.Clone(e.Keep)}
	for k := range e.Targets {
		out.Targets = append(out.Targets, slices.Clone(e.Targets[k]))
		out.Weights = append(out.Weights, slices.Clone(e.Weights[k]))
	}
	return out
}

func check(t *testing.T, task *masking.Task, b *data.Batch, e *masking.Batch) {
	t.Helper()
	masks, target := task.Masks(), task.Target()
	size, maskSize := 64*64*3, masks.MaskGrid().Size()
	p, isPyramid := masks.(*masking.Pyramid)
	if len(e.Mask) != b.Size*maskSize || len(e.Keep) != b.Size*masks.Kept() {
		t.Fatalf("%d values of the mask and %d kept for %d images", len(e.Mask), len(e.Keep), b.Size)
	}
	for i := range b.Size {
		want := make([][]float32, target.Scales())
		for k := range want {
			cells, values := target.Shape(k)
			want[k] = make([]float32, cells*values)
		}
		if err := target.Compute(want, b.Images[i*size:][:size]); err != nil {
			t.Fatal(err)
		}
		mask := e.Mask[i*maskSize:][:maskSize]
		if same := slices.Equal(mask, e.Mask[:maskSize]); isPyramid && i > 0 && same == p.PerSample {
			t.Errorf("image %d has the mask of the first: %v", i, same)
		}
		for k := range want {
			n := len(want[k])
			if !slices.Equal(e.Targets[k][i*n:][:n], want[k]) {
				t.Errorf("image %d, scale %d: the target is not that of the image", i, k)
			}
			cells := masks.ScaleGrid(k)
			weights := e.Weights[k][i*cells.Size():][:cells.Size()]
			var total, removed float32
			for _, w := range weights {
				total += w
			}
			for _, m := range mask {
				removed += m
			}
			if got, want := total/float32(cells.Size()), removed/float32(maskSize); got < want-1e-5 || got > want+1e-5 {
				t.Errorf("image %d, scale %d: the mean weight is %v, that of the mask %v", i, k, got, want)
			}
		}
	}
}

func TestTaskErrors(t *testing.T) {
	masks := columnar(t)
	hog := func(size int, cells ...int) masking.Target {
		h, err := masking.NewHOG(size, size, 3, 9, cells, nil)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	task := func(size int, target masking.Target) error {
		_, err := masking.NewTask(size, size, 3, masks, target)
		return err
	}
	for _, c := range []struct {
		want string
		err  error
	}{
		{"4 decoders for targets at 1 scales", task(64, hog(64, 4))},
		{"for images of 64×64 pixels", task(128, hog(128, 4, 8, 16, 32))},
		{"decoder 1 reconstructs 8×8 = 64 cells of 8", task(64, hog(64, 4, 4, 16, 32))},
		{"the loader makes [32, 32, 3]", newTask(t, 64, masks).Validate(4, 32, 32, 3)},
	} {
		t.Run(c.want, func(t *testing.T) {
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("error %v, want %q", c.err, c.want)
			}
		})
	}
}

// The batches of a pre-training run of a ViT. What belongs to a Swin is made with
// masking.NewPyramid instead.
func Example() {
	const size = 64
	masks, err := masking.NewColumnar(size, size, 16, 0.75, []float64{4, 2, 1, 0.5})
	if err != nil {
		log.Fatal(err)
	}
	target, err := masking.NewHOG(size, size, 3, 9, masks.Cells(), nil)
	if err != nil {
		log.Fatal(err)
	}
	task, err := masking.NewTask(size, size, 3, masks, target)
	if err != nil {
		log.Fatal(err)
	}
	loader, err := data.NewLoader(noise{8, 70, 70}, data.LoaderOptions{Batch: 8, Seed: 1, Transform: transform(size), Extra: task})
	if err != nil {
		log.Fatal(err)
	}
	it := loader.Epoch(context.Background(), 0, 0)
	defer it.Close()
	batch, err := it.Next()
	if err != nil {
		log.Fatal(err)
	}
	made := batch.Extra.(*masking.Batch)
	fmt.Println("the encoder sees", len(made.Keep)/batch.Size, "of", masks.MaskGrid(), "patches")
	for k := range made.Targets {
		cells, values := target.Shape(k)
		fmt.Printf("decoder %d: %v cells of %d pixels, %d values each\n", k, masks.ScaleGrid(k), masks.Cells()[k], values)
		if len(made.Targets[k]) != batch.Size*cells*values || len(made.Weights[k]) != batch.Size*cells {
			log.Fatal("never")
		}
	}
	// Output:
	// the encoder sees 4 of 4×4 patches
	// decoder 0: 16×16 cells of 4 pixels, 27 values each
	// decoder 1: 8×8 cells of 8 pixels, 27 values each
	// decoder 2: 4×4 cells of 16 pixels, 27 values each
	// decoder 3: 2×2 cells of 32 pixels, 27 values each
}
