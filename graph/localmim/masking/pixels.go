package masking

import (
	"fmt"
	"math"
	"slices"
)

// pixelEps is added to the variance of a patch, as in the code of MAE.
const pixelEps = 1e-6

// Pixels cuts the image into patches at several scales. Each patch is standardised by its own mean
// and unbiased variance, or left as it is.
type Pixels struct {
	height, width, channels int
	sides                   []int
	standardise             bool
}

// NewPixels prepares for images [height, width, channels]. Scale k has square patches with sides of
// sides[k] pixels, which must divide the image.
func NewPixels(height, width, channels int, sides []int, standardise bool) (*Pixels, error) {
	if height < 1 || width < 1 || channels < 1 {
		return nil, fmt.Errorf("masking: pixel targets of images of %d×%d×%d values", height, width, channels)
	}
	if err := checkCells("pixels", height, width, sides); err != nil {
		return nil, err
	}
	for k, s := range sides {
		if standardise && s*s*channels < 2 {
			return nil, fmt.Errorf("masking: patches of one value (pixels, scale %d) have no variance", k)
		}
	}
	return &Pixels{height, width, channels, slices.Clone(sides), standardise}, nil
}

// Scales returns the number of scales.
func (p *Pixels) Scales() int { return len(p.sides) }

// Shape returns the shape of the target of scale k: patches, in raster order, by values:
// row, column, channel.
func (p *Pixels) Shape(k int) (patches, values int) {
	s := p.sides[k]
	return p.height / s * (p.width / s), s * s * p.channels
}

// Compute writes the targets of an image [height, width, channels]. dst[k] has the shape of scale k.
func (p *Pixels) Compute(dst [][]float32, image []float32) error {
	if err := checkTarget(p, dst, image, p.height*p.width*p.channels); err != nil {
		return err
	}
	for k, d := range dst {
		if same := slices.Index(p.sides[:k], p.sides[k]); same >= 0 {
			copy(d, dst[same])
			continue
		}
		side := p.sides[k]
		for y := range p.height / side {
			for x := range p.width / side {
				p.patch(d[:side*side*p.channels], image, y*side, x*side, side)
				d = d[side*side*p.channels:]
			}
		}
	}
	return nil
}

// patch copies the patch at (y, x) and standardises it.
func (p *Pixels) patch(dst, image []float32, y, x, side int) {
	n := side * p.channels
	var sum, squares float64
	for i := range side {
		row := dst[i*n:][:n]
		copy(row, image[((y+i)*p.width+x)*p.channels:])
		if p.standardise {
			s, q := moments(row)
			sum, squares = sum+s, squares+q
		}
	}
	if !p.standardise {
		return
	}
	mean, deviation := statistics(sum, squares, len(dst))
	a, b := float32(1/deviation), float32(mean)
	for i, v := range dst {
		dst[i] = (v - b) * a
	}
}

// statistics returns the mean and the deviation that standardise a patch of n values with these sums.
func statistics(sum, squares float64, n int) (mean, deviation float64) {
	mean = sum / float64(n)
	// float64 loses nothing of the squares of float32 values around 1.
	variance := max(squares-sum*mean, 0) / float64(n-1)
	return mean, math.Sqrt(variance + pixelEps)
}

// Restore makes an image [height, width, channels] from values of scale k, such as a prediction, in
// the order of Compute. If these are standardised, each patch gets the mean and deviation of the
// true image's patch, because a model does not predict them.
func (p *Pixels) Restore(dst, values []float32, k int, truth []float32) error {
	if k < 0 || k >= len(p.sides) {
		return fmt.Errorf("masking: pixels of scale %d; there are %d scales", k, len(p.sides))
	}
	size, side := p.height*p.width*p.channels, p.sides[k]
	if len(values) != size || len(dst) != size || len(truth) != size {
		return fmt.Errorf("masking: %d values of scale %d, an image of %d and room for %d; an image has %d",
			len(values), k, len(truth), len(dst), size)
	}
	n := side * p.channels
	for y := 0; y < p.height; y += side {
		for x := 0; x < p.width; x += side {
			row := func(image []float32, i int) []float32 { return image[((y+i)*p.width+x)*p.channels:][:n] }
			mean, deviation := 0.0, 1.0
			if p.standardise {
				var sum, squares float64
				for i := range side {
					s, q := moments(row(truth, i))
					sum, squares = sum+s, squares+q
				}
				mean, deviation = statistics(sum, squares, side*n)
			}
			for i := range side {
				out := row(dst, i)
				for j := range out {
					out[j] = float32(float64(values[j])*deviation + mean)
				}
				values = values[n:]
			}
		}
	}
	return nil
}

// moments returns the sums of x and x², in two chains of additions each.
func moments(x []float32) (sum, squares float64) {
	var s0, s1, q0, q1 float64
	for ; len(x) >= 2; x = x[2:] {
		a, b := float64(x[0]), float64(x[1])
		s0, s1 = s0+a, s1+b
		q0, q1 = q0+a*a, q1+b*b
	}
	if len(x) == 1 {
		a := float64(x[0])
		s0, q0 = s0+a, q0+a*a
	}
	return s0 + s1, q0 + q1
}
