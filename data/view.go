package data

import (
	"fmt"
	"math/rand/v2"

	"fasternet/data/picture"
	"fasternet/internal/rng"
)

// viewRand returns the generator for the augmentation of a sample in an epoch. With repeated
// augmentation, or a sampling that shows it more than once, an epoch has several views of it.
func viewRand(seed uint64, epoch, i, view int) *rand.Rand {
	if view == 0 {
		return rng.New(seed, rng.Augment, uint64(epoch), uint64(i))
	}
	return rng.New(seed, rng.Augment, uint64(epoch), uint64(i), uint64(view))
}

// View returns the tensor of sample i in an epoch, as a [Loader] with this seed makes it
// before it mixes the batch. Use it to look at augmented images. It has the shape of the
// transform's output.
func View(ds Dataset, t Transform, seed uint64, epoch, i int) ([]float32, error) {
	if i < 0 || i >= ds.Len() {
		return nil, fmt.Errorf("data: there is no sample %d; there are %d, counted from 0", i, ds.Len())
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	h, w, c := t.OutputShape()
	tensor := make([]float32, h*w*c)
	if err := new(sampler).view(ds, t, viewRand(seed, epoch, i, 0), i, tensor); err != nil {
		return nil, fmt.Errorf("%w, at %s", err, ds.Name(i))
	}
	return tensor, nil
}

// view makes the tensor of a sample. It decodes only what the transform needs.
func (f *sampler) view(ds Dataset, t Transform, r *rand.Rand, i int, tensor []float32) error {
	if t := partialOf(t); t != nil {
		src, err := f.fetch(ds, i)
		if err != nil {
			return err
		}
		return t.apply(src, r, tensor)
	}
	m, err := ds.Image(i)
	if err != nil {
		return err
	}
	return t.Apply(m, r, tensor)
}

// Denormalise turns a tensor [height, width, channels] into an image: v·std + mean,
// rounded and clamped to 8 bits. Mean and std have a value for each channel, for
// pixel values from 0 to 1, as transforms have.
func Denormalise(x []float32, height, width int, mean, std []float32) (*picture.Image, error) {
	c := len(mean)
	if c != 1 && c != 3 || len(std) != c || height < 1 || width < 1 || len(x) != height*width*c {
		return nil, fmt.Errorf("data: %d values, %d means and %d deviations make no image of %d×%d; "+
			"want one of each for 1 or 3 channels, and a value for each pixel and channel",
			len(x), c, len(std), height, width)
	}
	m := picture.NewImage(height, width, c)
	for i, v := range x {
		m.Pix[i] = uint8(min(max((v*std[i%c]+mean[i%c])*255+0.5, 0), 255))
	}
	return m, nil
}
