package kernels

import (
	"fmt"
	"math"
)

// Orientations are bins of the unsigned orientation of a gradient: bin i of n holds the angles
// from i·π/n to (i+1)·π/n, and the opposite angles.
type Orientations struct {
	bins int
	// The edges between bins, a cosine and a sine each, scaled so that the larger one is ±1.
	// Then comparing with a multiple of π/4, the only edges that float32 gradients can lie on,
	// needs no rounding.
	edges []float32
}

// NewOrientations returns n bins, n > 0.
func NewOrientations(n int) *Orientations {
	if n < 1 {
		panic(fmt.Sprintf("kernels: %d bins of orientation", n))
	}
	o := &Orientations{bins: n}
	for i := 1; i < n; i++ {
		sin, cos := math.Sincos(math.Pi * float64(i) / float64(n))
		switch { // exact values, which math.Pi misses
		case 2*i == n:
			sin, cos = 1, 0
		case 4*i == n || 4*i == 3*n:
			sin, cos = 1, math.Copysign(1, cos)
		}
		largest := max(math.Abs(sin), math.Abs(cos))
		o.edges = append(o.edges, float32(cos/largest), float32(sin/largest))
	}
	return o
}

// Orient writes the magnitude of Sobel's gradient of a row of an image, and the bin of its
// orientation, for all pixels but the first and the last. above, here and below are rows of
// values [pixels, channels]; mag and bin have two pixels less. g0 is the sum on the left less the
// sum on the right, g1 the sum above less the sum below, both with the weights 1, 2, 1 and plus
// bias. The orientation is atan2(g0, g1). All variants give the same bits.
func (o *Orientations) Orient(
	k *Set, mag []float32, bin []int32, above, here, below []float32, channels int, bias [2]float32,
) {
	n := len(mag)
	if len(bin) != n ||
		channels < 1 ||
		len(above) != n+2*channels ||
		len(here) != len(above) ||
		len(below) != len(above) {
		panic(fmt.Sprintf("kernels: Orient: rows of %d, %d and %d values for %d magnitudes and %d bins of %d channels",
			len(above), len(here), len(below), n, len(bin), channels))
	}
	if n == 0 {
		return
	}
	var edges *float32
	if o.bins > 1 {
		edges = &o.edges[0]
	}
	k.orient(n, &mag[0], &bin[0], &above[0], &here[0], &below[0], channels, edges, o.bins-1, bias[0], bias[1])
}

func plainOrient(
	n int,
	mag *float32,
	bin *int32,
	above, here, below *float32,
	step int,
	edges *float32,
	count int,
	bias0, bias1 float32,
) {
	ms, bs := vector(mag, n), indices(bin, n)
	a, h, b := vector(above, n+2*step), vector(here, n+2*step), vector(below, n+2*step)
	es := vector(edges, 2*count)
	for i := range ms {
		j, l := i+step, i+2*step
		g0 := (a[i] + 2*h[i] + b[i]) - (a[l] + 2*h[l] + b[l]) + bias0
		g1 := (a[i] + 2*a[j] + a[l]) - (b[i] + 2*b[j] + b[l]) + bias1
		ms[i] = float32(math.Sqrt(float64(float32(g0*g0) + float32(g1*g1))))
		if math.Signbit(float64(g0)) {
			g0, g1 = -g0, -g1
		}
		// The bin is the number of edges that the gradient lies on or has passed.
		bs[i] = 0
		if g0 == 0 { // the angle is 0 or π
			continue
		}
		var passed int32
		for e := 0; e+1 < len(es); e += 2 {
			if g0*es[e] >= g1*es[e+1] {
				passed++
			}
		}
		bs[i] = passed
	}
}
