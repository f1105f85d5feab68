package data_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"fasternet/data"
	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/data/policy"
)

// stripes is a dataset of 40 grey images with horizontal or vertical stripes.
type stripes struct{}

func (stripes) Len() int          { return 40 }
func (stripes) Classes() []string { return []string{"horizontal", "vertical"} }
func (stripes) Label(i int) int   { return i % 2 }
func (stripes) Name(i int) string { return fmt.Sprintf("stripes %d", i) }

func (d stripes) Image(i int) (*picture.Image, error) {
	m := picture.NewImage(28, 28, 1)
	for k := range m.Pix {
		if at := []int{k / 28, k % 28}[d.Label(i)]; at/4%2 == 0 {
			m.Pix[k] = 255
		}
	}
	return m, nil
}

// This runs one epoch of training. Package fasternet/data/sets opens other datasets.
func Example() {
	loader, err := data.NewLoader(stripes{}, data.LoaderOptions{
		Batch:    16,
		Prefetch: 2,
		Shuffle:  true,
		DropLast: true,
		Seed:     42,
		Transform: &data.TrainTransform{
			Size:          32,
			Padding:       4,
			HFlip:         0.5,
			Scale:         [2]float64{0.08, 1},
			Ratio:         [2]float64{3.0 / 4, 4.0 / 3},
			Interpolation: picture.Bicubic,
			Mean:          []float32{0.5},
			Std:           []float32{0.5},
			Channels:      1,
		},
		Mix: &data.Mixup{MixupAlpha: 0.2, Prob: 1, Smoothing: 0.1, Classes: 2},
	})
	if err != nil {
		log.Fatal(err)
	}
	it := loader.Epoch(context.Background(), 0, 0)
	defer it.Close()
	for {
		batch, err := it.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("step %d of %d: images [%d %d %d %d], %d targets\n", batch.Step, loader.Steps(),
			batch.Size, batch.Height, batch.Width, batch.Channels, len(batch.Targets))
	}
	// Output:
	// step 0 of 2: images [16 32 32 1], 32 targets
	// step 1 of 2: images [16 32 32 1], 32 targets
}

// This prepares one image for inference.
func ExampleEvalTransform() {
	photo := picture.NewImage(375, 500, 3) // such as picture.ReadImage returns
	transform := &data.EvalTransform{
		Size: 224, CropRatio: 0.9, Interpolation: picture.Bicubic, Channels: 3,
		Mean: []float32{0.485, 0.456, 0.406}, Std: []float32{0.229, 0.224, 0.225},
	}
	tensor := make([]float32, 224*224*3)
	if err := transform.Apply(photo, nil, tensor); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("black is %.3f\n", tensor[:3])
	// Output: black is [-2.118 -2.036 -1.804]
}

// This shows a sample as training sees it in an epoch.
func ExampleView() {
	randAugment, err := policy.Parse("rand-m9-mstd0.5-inc1")
	if err != nil {
		log.Fatal(err)
	}
	transform := &data.TrainTransform{
		Size:          32,
		Padding:       4,
		HFlip:         0.5,
		Scale:         [2]float64{0.08, 1},
		Ratio:         [2]float64{3.0 / 4, 4.0 / 3},
		Interpolation: picture.Bicubic,
		RandAugment:   &randAugment,
		Channels:      1,
		Mean:          []float32{0.5},
		Std:           []float32{0.5},
		Erasing:       augment.Erasing{Prob: 0.25, Mode: augment.ErasePixel, Count: 1, Area: [2]float64{0.02, 1.0 / 3}},
	}
	for epoch := range 2 {
		tensor, err := data.View(stripes{}, transform, 42, epoch, 7)
		if err != nil {
			log.Fatal(err)
		}
		image, err := data.Denormalise(tensor, 32, 32, transform.Mean, transform.Std)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("epoch %d: %d×%d, %d channel\n", epoch, image.Height, image.Width, image.Channels)
	}
	// Output:
	// epoch 0: 32×32, 1 channel
	// epoch 1: 32×32, 1 channel
}

func ExampleSmoothTargets() {
	targets := make([]float32, 2*4)
	if err := data.SmoothTargets(targets, []int{2, 0}, 4, 0.1); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.3f\n%.3f\n", targets[:4], targets[4:])
	// Output:
	// [0.025 0.025 0.925 0.025]
	// [0.925 0.025 0.025 0.025]
}

func ExampleDescribe() {
	info, err := data.Describe(stripes{}, false)
	if err != nil {
		log.Fatal(err)
	}
	for class, name := range info.Classes {
		fmt.Printf("%s: %d\n", name, info.Counts[class])
	}
	fmt.Printf("height %d to %d\n", info.Height.Min, info.Height.Max)
	// Output:
	// horizontal: 20
	// vertical: 20
	// height 28 to 28
}
