package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fasternet/kernels"
)

// grnBlock is a block with GRN, of whole images or of units.
func (h *harness) grnBlock(r *rand.Rand, masks []mask, height, width int, act kernels.Activation, scaled, keep bool) {
	const c, partial, hidden = 8, 2, 12
	batch := 3
	var u *Units
	if masks != nil {
		batch, u = units(masks), &Units{Neighbours: neighbours(masks), PerImage: len(masks[0].kept)}
	}
	b := Block{
		Name:  "block",
		PConv: h.param("pconv", r, 0.3, partial, partial, 3, 3),
		Conv1: h.param("conv1", r, 0.3, hidden, c, 1, 1),
		Norm:  h.norm("norm", r, hidden),
		Act:   act,
		GRN:   &GRN{h.param("grn.weight", r, 0.5, hidden), h.param("grn.bias", r, 0.5, hidden)},
		Conv2: h.param("conv2", r, 0.3, c, hidden, 1, 1),
		Units: u,
	}
	x := h.input("x", r, batch, height, width, c)
	if scaled {
		b.LayerScale = h.param("layer_scale", r, 1, c)
	}
	if keep {
		b.Keep = h.input("keep", r, batch)
		for i := range h.inputs["keep"].Float32s() {
			h.inputs["keep"].Float32s()[i] = []float32{1.25, 0, 1.25, 1.25}[i%4]
		}
	}
	out, err := FasterNetBlock(h.tape, x, b)
	if h.tape.Train {
		h.compile(out, err, "x")
	} else {
		h.compile(out, err)
	}
}

func TestGRNGradient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		masks         []mask
		height, width int
		act           kernels.Activation
		scaled, keep  bool
	}{
		{"whole images", nil, 5, 4, kernels.GELU, false, false},
		{"layer scale and drop path", nil, 3, 3, kernels.GELU, true, true},
		{"large images", nil, 17, 13, kernels.GELU, false, false},
		{"units", someMasks, 4, 4, kernels.GELU, false, false},
		{"small units with drop path", someMasks, 1, 2, kernels.GELU, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			everyVariant(t, func(t *testing.T, k *kernels.Set) {
				h := newHarnessOn(t, k, 2, true)
				h.grnBlock(rand.New(rand.NewPCG(1, 2)), c.masks, c.height, c.width, c.act, c.scaled, c.keep)
				h.checkGradients(1e-2, 2e-2)
			})
		})
	}
}

// GRN equals its definition, in float64. The other weights of the blocks make it visible: no
// convolution, and a second product that passes hidden channels on.
func TestGRN(t *testing.T) {
	for _, masks := range [][]mask{nil, someMasks} {
		for _, train := range []bool{true, false} {
			t.Run(fmt.Sprintf("units %v, training %v", masks != nil, train), func(t *testing.T) {
				h := newHarness(t, 2, train)
				h.grnBlock(rand.New(rand.NewPCG(1, 2)), masks, 2, 3, kernels.GELU, false, false)
				h.run()
				images, rows := 3, 3*6
				if masks != nil {
					images, rows = len(masks), units(masks)*6
				}
				want := h.responseNormed(images, rows, masks)
				for i, v := range h.tape.Value(h.result) {
					if math.Abs(float64(v)-want[i]) > 2e-5*(1+math.Abs(want[i])) {
						t.Fatalf("value %d is %v, want %v", i, v, want[i])
					}
				}
			})
		}
	}
	h := newHarness(t, 1, true)
	r := rand.New(rand.NewPCG(1, 2))
	_, err := FasterNetBlock(h.tape, h.input("x", r, 3, 2, 2, 4), Block{
		Name:  "block",
		PConv: h.param("pconv", r, 1, 1, 1, 3, 3),
		Conv1: h.param("conv1", r, 1, 8, 4, 1, 1),
		Norm:  h.norm("norm", r, 8),
		Conv2: h.param("conv2", r, 1, 4, 8, 1, 1),
		Act:   kernels.GELU,
		GRN:   &GRN{h.param("grn.weight", r, 1, 8), h.param("grn.bias", r, 1, 8)},
		Units: &Units{PerImage: 2},
	})
	if err == nil || !strings.Contains(err.Error(), "want a multiple of 2 units, the units of an image, got 3") {
		t.Errorf("got %v", err)
	}
}

// responseNormed computes the block of the harness in float64.
func (h *harness) responseNormed(images, rows int, masks []mask) []float64 {
	x := h.inputs["x"].Float32s()
	if masks == nil { // whole images are units without neighbours
		masks = slices.Repeat([]mask{{1, 1, []int{0}}}, images)
	}
	hidden := h.activated(pixelsOf(masks, 2, 3), 2, 3, true)
	h.normaliseResponses(hidden, images)
	c := len(x) / rows
	var out []float64
	for row, v := range hidden {
		for i, w := range product64(v, h.weight("conv2"), c) {
			out = append(out, w+float64(x[row*c+i]))
		}
	}
	return out
}

// normaliseResponses computes the GRN of the harness.
func (h *harness) normaliseResponses(hidden [][]float64, images int) {
	n, per := len(hidden[0]), len(hidden)/images
	for image := range images {
		part := hidden[image*per : (image+1)*per]
		norms, mean := make([]float64, n), 0.0
		for c := range n {
			for _, v := range part {
				norms[c] += v[c] * v[c]
			}
			norms[c] = math.Sqrt(norms[c])
			mean += norms[c] / float64(n)
		}
		for _, v := range part {
			for c := range n {
				v[c] += v[c]*norms[c]/(mean+1e-6)*float64(h.weight("grn.weight")[c]) + float64(h.weight("grn.bias")[c])
			}
		}
	}
}
