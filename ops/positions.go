package ops

import (
	"fmt"
	"math"

	"fasternet/kernels"
)

// tap is the weight of a place of the old grid in a place of the new one.
type tap struct {
	at     int
	weight float32
}

// Bicubic is a way to interpolate position embeddings: cubic convolution (Keys, 1981) between the
// centres of pixels.
type Bicubic int

// The ways.
const (
	// Antialiased is the way of timm 1.0, PyTorch's bicubic with antialias: a = -0.5, over more
	// places if the grid becomes smaller; places outside of the grid are left out.
	Antialiased Bicubic = iota
	// Pointwise is the way of the published fine-tuning of MAE and LocalMIM, PyTorch's bicubic without
	// antialias: a = -0.75, always over four places, with the border repeated.
	Pointwise
)

// taps returns the weights along one side when n places become m, as PyTorch computes them.
func (b Bicubic) taps(n, m int) [][]tap {
	var a float64
	switch b {
	case Antialiased:
		a = -0.5
	case Pointwise:
		a = -0.75
	default:
		panic(fmt.Sprintf("ops: an interpolation of kind %d", b))
	}
	cubic := func(x float64) float64 {
		switch x = math.Abs(x); {
		case x < 1:
			return ((a+2)*x-(a+3))*x*x + 1
		case x < 2:
			return a * (((x-5)*x+8)*x - 4)
		}
		return 0
	}
	scale := float64(n) / float64(m)
	out := make([][]tap, m)
	for i := range out {
		centre := (float64(i) + 0.5) * scale
		if b == Pointwise {
			first := math.Floor(centre - 0.5)
			t := centre - 0.5 - first
			for j := -1; j <= 2; j++ {
				out[i] = append(out[i], tap{min(max(int(first)+j, 0), n-1), float32(cubic(t - float64(j)))})
			}
			continue
		}
		wide := max(scale, 1)
		var sum float64
		from, to := max(int(centre-2*wide+0.5), 0), min(int(centre+2*wide+0.5), n)
		for j := from; j < to; j++ {
			w := cubic((float64(j) + 0.5 - centre) / wide)
			out[i] = append(out[i], tap{j, float32(w)})
			sum += w
		}
		for j := range out[i] {
			out[i][j].weight = float32(float64(out[i][j].weight) / sum)
		}
	}
	return out
}

// positionResize interpolates position embeddings [class + height·width, C] of one grid for another. The
// class tokens, which come first, keep theirs.
type positionResize struct {
	kernels         *kernels.Set
	class, channels int
	from, to        [2]int // height and width
	rows, cols      [][]tap
}

func newPositionResize(k *kernels.Set, class, channels int, from, to [2]int, how Bicubic) *positionResize {
	return &positionResize{k, class, channels, from, to, how.taps(from[0], to[0]), how.taps(from[1], to[1])}
}

// each calls f with every weight of an old place in a new one.
func (p *positionResize) each(f func(to, from int, weight float32)) {
	for y, ys := range p.rows {
		for x, xs := range p.cols {
			for _, v := range ys {
				for _, u := range xs {
					f(p.class+y*p.to[1]+x, p.class+v.at*p.from[1]+u.at, v.weight*u.weight)
				}
			}
		}
	}
}

// forward writes the embeddings of the new grid.
func (p *positionResize) forward(dst, src []float32) {
	c := p.channels
	clear(dst)
	copy(dst, src[:p.class*c])
	p.each(func(to, from int, weight float32) {
		addMultiple(p.kernels, dst[to*c:(to+1)*c], src[from*c:(from+1)*c], weight)
	})
}

// backward adds to the gradient of the old grid.
func (p *positionResize) backward(dst, grad []float32) {
	c := p.channels
	p.kernels.Add(dst[:p.class*c], grad[:p.class*c])
	p.each(func(to, from int, weight float32) {
		addMultiple(p.kernels, dst[from*c:(from+1)*c], grad[to*c:(to+1)*c], weight)
	})
}

// addMultiple computes dst += weight·x.
func addMultiple(k *kernels.Set, dst, x []float32, weight float32) {
	m := kernels.NewMatrix(dst, 1, len(dst))
	k.Combine(m, kernels.NewMatrix(x, 1, len(x)), m, weight, 1)
}

// ResizePositions interpolates position embeddings [class + height·width, C] of one grid (height,
// width) for another. The class tokens keep theirs.
func ResizePositions(positions []float32, class, channels int, from, to [2]int, how Bicubic) []float32 {
	out := make([]float32, (class+to[0]*to[1])*channels)
	newPositionResize(kernels.Default(), class, channels, from, to, how).forward(out, positions)
	return out
}

// SinCosPositions returns the fixed position embeddings [class + height·width, C] of MAE. The first
// half of the channels encodes the column, the second half the row, each as the sines and then the
// cosines of the position times 10000^(-k/(C/4)), the base of Vaswani et al. (2017). C must be a
// multiple of 4. Class tokens get zeros.
func SinCosPositions(class, channels int, grid [2]int) []float32 {
	out := make([]float32, (class+grid[0]*grid[1])*channels)
	quarter := channels / 4
	for y := range grid[0] {
		for x := range grid[1] {
			row := out[(class+y*grid[1]+x)*channels:]
			for half, pos := range [2]int{x, y} {
				for k := range quarter {
					angle := float64(pos) * math.Pow(10000, -float64(k)/float64(quarter))
					row[2*half*quarter+k] = float32(math.Sin(angle))
					row[(2*half+1)*quarter+k] = float32(math.Cos(angle))
				}
			}
		}
	}
	return out
}
