package ops

import (
	"math"

	"fasternet/kernels"
)

// tap is a share of a place of the old grid in a place of the new one.
type tap struct {
	at     int
	weight float32
}

// bicubicTaps are the shares along one side when n places become m: cubic
// convolution (Keys, 1981) with a = -0.75 between pixel centres, the border
// repeated, without antialiasing; as PyTorch's bicubic interpolation.
func bicubicTaps(n, m int) [][4]tap {
	const a = -0.75
	near := func(t float64) float64 { return ((a+2)*t-(a+3))*t*t + 1 }
	far := func(t float64) float64 { return a * (((t-5)*t+8)*t - 4) }
	out := make([][4]tap, m)
	for i := range out {
		x := (float64(i)+0.5)*float64(n)/float64(m) - 0.5
		first := math.Floor(x)
		t := x - first
		for j, w := range [4]float64{far(t + 1), near(t), near(1 - t), far(2 - t)} {
			out[i][j] = tap{min(max(int(first)+j-1, 0), n-1), float32(w)}
		}
	}
	return out
}

// positionResize interpolates position embeddings [class + height·width, C] of
// one grid for another; those of class tokens, which come first, stay.
type positionResize struct {
	class, channels int
	from, to        [2]int // height and width
	rows, cols      [][4]tap
}

func newPositionResize(class, channels int, from, to [2]int) *positionResize {
	return &positionResize{class, channels, from, to, bicubicTaps(from[0], to[0]), bicubicTaps(from[1], to[1])}
}

// each calls f with every share of an old place in a new one.
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
	p.each(func(to, from int, weight float32) { addMultiple(dst[to*c:(to+1)*c], src[from*c:(from+1)*c], weight) })
}

// backward adds to the gradient of the old grid.
func (p *positionResize) backward(dst, grad []float32) {
	c := p.channels
	kernels.Add(dst[:p.class*c], grad[:p.class*c])
	p.each(func(to, from int, weight float32) { addMultiple(dst[from*c:(from+1)*c], grad[to*c:(to+1)*c], weight) })
}

// addMultiple computes dst += weight·x.
func addMultiple(dst, x []float32, weight float32) {
	m := kernels.NewMatrix(dst, 1, len(dst))
	kernels.Combine(m, kernels.NewMatrix(x, 1, len(x)), m, weight, 1)
}

// ResizePositions interpolates position embeddings [class + height·width, C] of
// one grid (height, width) bicubically for another.
func ResizePositions(positions []float32, class, channels int, from, to [2]int) []float32 {
	out := make([]float32, (class+to[0]*to[1])*channels)
	newPositionResize(class, channels, from, to).forward(out, positions)
	return out
}

// SinCosPositions are the fixed position embeddings [class + height·width, C] of
// MAE: the first half of the channels encodes the column, the second the row,
// each as the sines and then the cosines of the position times
// 10000^(-k/(C/4)). C must be a multiple of 4. Class tokens get zeros.
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
