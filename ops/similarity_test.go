package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"fasternet/kernels"
)

// The similarity is the mean over all pairs of channels, of whole images and of units. It is 1 for
// channels that are multiples of each other.
func TestChannelSimilarity(t *testing.T) {
	t.Parallel()
	const c, partial, hidden, height, width = 8, 2, 12, 2, 3
	for _, test := range []struct {
		name  string
		masks []mask
		grn   bool
		alike bool
	}{
		{"whole images", nil, false, false},
		{"units", someMasks, false, false},
		{"units with GRN", someMasks, true, false},
		{"alike", nil, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			h := newHarness(t, 3, false)
			images, batch := 3, 3
			b := Block{
				Name:  "block",
				PConv: h.param("pconv", r, 0.3, partial, partial, 3, 3),
				Conv1: h.param("conv1", r, 0.3, hidden, c, 1, 1),
				Norm:  h.norm("norm", r, hidden),
				Act:   kernels.GELU,
				Conv2: h.param("conv2", r, 0.3, c, hidden, 1, 1),
			}
			masks := test.masks
			if masks != nil {
				images, batch = len(masks), units(masks)
				b.Units = &Units{Neighbours: neighbours(masks), PerImage: len(masks[0].kept)}
			} else {
				for range images {
					masks = append(masks, mask{1, 1, []int{0}})
				}
			}
			if test.grn {
				b.GRN = &GRN{h.param("grn.weight", r, 0.5, hidden), h.param("grn.bias", r, 0.5, hidden)}
			}
			if test.alike { // every channel equals the first one
				n := h.running["norm"]
				for j := range hidden {
					copy(b.Conv1.Data()[j*c:(j+1)*c], b.Conv1.Data()[:c])
					n.Weight.Data()[j] = n.Weight.Data()[0]
					n.Bias.Data()[j] = n.Bias.Data()[0]
					n.RunningMean[j] = n.RunningMean[0]
					n.RunningVar[j] = n.RunningVar[0]
				}
			}
			out, err := ChannelSimilarity(h.tape, h.input("x", r, batch, height, width, c), b)
			h.compile(out, err)
			h.run()
			all := h.activated(pixelsOf(masks, height, width), height, width, true)
			per := len(all) / images
			if test.grn {
				h.normaliseResponses(all, images)
			}
			for image, got := range h.tape.Value(out) {
				want := pairwise(all[image*per : (image+1)*per])
				if math.Abs(float64(got)-want) > 1e-5 || test.alike && math.Abs(want-1) > 1e-6 {
					t.Errorf("image %d: %v, want %v", image, got, want)
				}
			}
		})
	}
	h := newHarness(t, 1, true)
	if _, err := ChannelSimilarity(
		h.tape, h.input("x", rand.New(rand.NewPCG(1, 2)), 1, 2, 2, 4), Block{},
	); err == nil ||
		!strings.Contains(err.Error(), "want a graph for evaluation") {
		t.Errorf("got %v", err)
	}
}

// pairwise returns the mean cosine of the pairs of columns.
func pairwise(rows [][]float64) float64 {
	dot := func(i, j int) (sum float64) {
		for _, v := range rows {
			sum += v[i] * v[j]
		}
		return sum
	}
	sum, pairs := 0.0, 0.0
	for i := range rows[0] {
		for j := range i {
			sum += dot(i, j) / math.Sqrt(dot(i, i)*dot(j, j))
			pairs++
		}
	}
	return sum / pairs
}

// It also works for a map that is so small that a block divides its products by columns.
func TestChannelSimilarityOfSmallMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := newHarness(t, 2, false)
	const c, hidden = 128, 256
	b := Block{
		Name:  "block",
		PConv: h.param("pconv", r, 0.3, 16, 16, 3, 3),
		Conv1: h.param("conv1", r, 0.3, hidden, c, 1, 1),
		Norm:  h.norm("norm", r, hidden),
		Act:   kernels.GELU,
		Conv2: h.param("conv2", r, 0.3, c, hidden, 1, 1),
	}
	x := h.input("x", r, 1, 7, 7, c)
	if f, err := newBlock(newHarness(t, 2, false).tape, x, b, true); err != nil || f.columns == nil {
		t.Fatalf("the block does not divide its products by columns: %v", err)
	}
	out, err := ChannelSimilarity(h.tape, x, b)
	h.compile(out, err)
	h.run()
	want := pairwise(h.activated(pixelsOf([]mask{{1, 1, []int{0}}}, 7, 7), 7, 7, true))
	if got := float64(h.tape.Value(out)[0]); math.Abs(got-want) > 1e-5 {
		t.Errorf("%v, want %v", got, want)
	}
}

// Channels that are zero have no direction, and a single channel has no pair.
func TestSimilarityOfDeadChannels(t *testing.T) {
	for _, c := range []struct {
		alive int
		want  float64
	}{{0, 0}, {1, 0}, {2, 1}} {
		t.Run(fmt.Sprint(c.alive), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			h := newHarness(t, 1, false)
			b := Block{
				Name:  "block",
				PConv: h.param("pconv", r, 0, 1, 1, 3, 3),
				Conv1: h.param("conv1", r, 0, 6, 4, 1, 1),
				Norm:  h.norm("norm", r, 6),
				Act:   kernels.ReLU,
				Conv2: h.param("conv2", r, 0.3, 4, 6, 1, 1),
			}
			n := h.running["norm"]
			for j := range 6 {
				n.RunningMean[j], n.Weight.Data()[j], n.Bias.Data()[j] = 0, 1, -1
				if j < c.alive {
					n.Bias.Data()[j] = 1
				}
			}
			out, err := ChannelSimilarity(h.tape, h.input("x", r, 1, 2, 2, 4), b)
			h.compile(out, err)
			h.run()
			if got := float64(h.tape.Value(out)[0]); math.Abs(got-c.want) > 1e-6 {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
