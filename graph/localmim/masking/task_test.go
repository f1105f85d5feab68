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

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"
	_ "fasternet/graph/families"
	"fasternet/graph/localmim"
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

// The models are small; each mask unit of the Swin has 4×4 tokens in its first stage.
const (
	vitModel = `
task: localmim
model: {name: vit, embed_dim: 8, depth: 4, num_heads: 1, patch_size: 16}
data: {image_size: 64}
mim: {taps: [1, 2, 3, 4], scales: [4, 2, 1, 0.5], decoder_dim: 8, decoder_heads: 2}
`
	swinModel = `
task: localmim
model: {name: swin, embed_dim: 8, depths: [1, 1, 1], num_heads: [1, 1, 1], window_size: 3, patch_size: 4}
data: {image_size: 64}
mim: {decoder_dim: 8, decoder_heads: 2, mask_ratio: 0.5}
`
)

func network(t testing.TB, text string, settings ...string) *localmim.Model {
	t.Helper()
	c, err := configs.Parse("test", text, settings...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := localmim.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func training(t testing.TB, net *localmim.Model) *masking.Task {
	t.Helper()
	task, err := masking.ForTraining(net)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// each runs two epochs and calls f with every batch.
func each(t *testing.T, task *masking.Task, workers int, f func(b *data.Batch, e *masking.Batch)) {
	t.Helper()
	loader, err := data.NewLoader(noise{10, 70, 70}, data.LoaderOptions{
		Batch:     4,
		Workers:   workers,
		Prefetch:  1,
		Shuffle:   true,
		Seed:      3,
		Transform: transform(64),
		Extra:     task,
	})
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
		name string
		net  *localmim.Model
	}{
		{"vit", network(t, vitModel)},
		{"vit, pixels", network(t, vitModel, "mim.target=pixel")},
		{"vit, constants", network(t, vitModel, "mim.hog_bias=true")},
		{"swin", network(t, swinModel)},
		{"swin by sample", network(t, swinModel, "mim.mask_per=sample")},
	} {
		t.Run(c.name, func(t *testing.T) {
			task := training(t, c.net)
			var first []*masking.Batch
			for _, workers := range []int{1, 3} {
				at := 0
				each(t, task, workers, func(b *data.Batch, e *masking.Batch) {
					check(t, c.net, task, b, e)
					now := e.Clone()
					if workers == 1 {
						first = append(first, now)
					} else if !reflect.DeepEqual(now, first[at]) {
						t.Errorf("step %d with %d workers differs from one worker", b.Step, workers)
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

func check(t *testing.T, net *localmim.Model, task *masking.Task, b *data.Batch, e *masking.Batch) {
	t.Helper()
	side, visible := net.Units()
	target, size, units := task.Target(), 64*64*3, side*side
	shared := net.Config().MIM.MaskPer == "batch"
	lists := b.Size
	if shared {
		lists = 1
	}
	if len(e.Mask) != b.Size*units || len(e.Kept) != lists*visible || e.Shared != shared {
		t.Fatalf("%d values of the mask and %d kept for %d images, shared %v",
			len(e.Mask), len(e.Kept), b.Size, e.Shared)
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
		mask := e.Mask[i*units:][:units]
		if same := slices.Equal(mask, e.Mask[:units]); i > 0 && same != shared {
			t.Errorf("image %d has the mask of the first: %v", i, same)
		}
		kept := e.Kept[i%lists*visible:][:visible]
		for u, m := range mask {
			if slices.Contains(kept, int32(u)) != (m == 0) {
				t.Errorf("image %d: unit %d has the mask %v, kept are %v", i, u, m, kept)
			}
		}
		for k, s := range net.Scales() {
			n := len(want[k])
			if !slices.Equal(e.Targets[k][i*n:][:n], want[k]) {
				t.Errorf("image %d, scale %d: the target does not belong to the image", i, k)
			}
			weights := e.Weights[k][i*s.Grid*s.Grid:][:s.Grid*s.Grid]
			for cell, w := range weights {
				var sum, pixels float32 // of the mask, pixel by pixel
				for y := cell / s.Grid * s.Cell; y < (cell/s.Grid+1)*s.Cell; y++ {
					for x := cell % s.Grid * s.Cell; x < (cell%s.Grid+1)*s.Cell; x++ {
						sum, pixels = sum+mask[y*side/64*side+x*side/64], pixels+1
					}
				}
				if w != sum/pixels {
					t.Fatalf("image %d, scale %d: cell %d weighs %v, want %v", i, k, cell, w, sum/pixels)
				}
			}
		}
	}
}

// In evaluation each image has its own mask, which does not depend on its batch.
func TestEvaluationMasks(t *testing.T) {
	task, err := masking.ForEvaluation(network(t, swinModel))
	if err != nil {
		t.Fatal(err)
	}
	masks := func(batch int) (all []float32) {
		loader, err := data.NewLoader(noise{6, 70, 70}, data.LoaderOptions{
			Batch:     batch,
			Seed:      3,
			Transform: transform(64),
			Extra:     task,
		})
		if err != nil {
			t.Fatal(err)
		}
		it := loader.Epoch(context.Background(), 0, 0)
		defer it.Close()
		for {
			b, err := it.Next()
			if err == io.EOF {
				return all
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b.Extra.(*masking.Batch).Mask...)
		}
	}
	two := masks(2)
	if !slices.Equal(two, masks(6)) || slices.Equal(two[:16], two[16:32]) {
		t.Errorf("masks %v in batches of 2", two)
	}
}

// There is a task only if a program can predict its target.
func TestTaskErrors(t *testing.T) {
	if err := training(t, network(t, vitModel)).Validate(4, 32, 32, 3); err == nil ||
		!strings.Contains(err.Error(), "the loader makes [32, 32, 3]") {
		t.Errorf("got %v", err)
	}
	net := network(t, vitModel)
	net.Config().MIM.Target = "words"
	if _, err := masking.ForTraining(net); err == nil ||
		!strings.Contains(err.Error(), `want hog or pixel, got "words"`) {
		t.Errorf("got %v", err)
	}
	net.Config().MIM.Target = "pixel" // the model is for HOG
	if _, err := masking.ForTraining(net); err == nil ||
		!strings.Contains(
			err.Error(), "decoder 1 reconstructs 16×16 cells of 27 values, but its target has 256 of 48",
		) {
		t.Errorf("got %v", err)
	}
}

// The batches of a pre-training run.
func Example() {
	c, err := configs.Parse("example", vitModel)
	if err != nil {
		log.Fatal(err)
	}
	net, err := localmim.New(c, 1)
	if err != nil {
		log.Fatal(err)
	}
	task, err := masking.ForTraining(net)
	if err != nil {
		log.Fatal(err)
	}
	loader, err := data.NewLoader(noise{8, 70, 70}, data.LoaderOptions{
		Batch:     8,
		Seed:      1,
		Transform: transform(64),
		Extra:     task,
	})
	if err != nil {
		log.Fatal(err)
	}
	it := loader.Epoch(context.Background(), 0, 0)
	defer it.Close()
	batch, err := it.Next()
	if err != nil {
		log.Fatal(err)
	}
	masked := masking.Masked(batch)
	fmt.Println("the encoder sees", len(masked.Kept)/batch.Size, "patches of an image")
	for k, targets := range masked.Targets {
		cells := len(masked.Weights[k]) / batch.Size
		fmt.Printf("decoder %d: %d cells of %d values\n", k+1, cells, len(targets)/batch.Size/cells)
	}
	// Output:
	// the encoder sees 4 patches of an image
	// decoder 1: 256 cells of 27 values
	// decoder 2: 64 cells of 27 values
	// decoder 3: 16 cells of 27 values
	// decoder 4: 4 cells of 27 values
}

// BenchmarkTask measures what masks and targets of a batch cost the workers.
func BenchmarkTask(b *testing.B) {
	for _, c := range []struct {
		name string
		net  *localmim.Model
	}{
		{"ViT", network(b, vitModel)},
		{"Swin", network(b, swinModel)},
		{"SwinPerSample", network(b, swinModel, "mim.mask_per=sample")},
	} {
		b.Run(c.name, func(b *testing.B) {
			const size = 8
			task := training(b, c.net)
			batch, image := task.New(size), make([]float32, 64*64*3)
			for step := 0; b.Loop(); step++ {
				at := data.Position{Step: step, Size: size}
				for at.Place = range size {
					at.Index = step*size + at.Place
					if err := task.Sample(batch, image, at); err != nil {
						b.Fatal(err)
					}
				}
				if err := task.Complete(batch, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
