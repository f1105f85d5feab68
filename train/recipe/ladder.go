package recipe

import "fmt"

// rung is a model at an image size. A ladder lists rungs by cost.
type rung struct {
	name  string
	model []choice // of the section model
	size  int      // image size
	cost  float64  // of a training step, measured in GMACs of the forward pass
}

// network is a FasterNet: width, blocks, and cost at 224 px.
type network struct {
	name    string
	dim     int
	depths  []int
	feature int
	act     string
	gmacs   float64
	enough  int // training images needed to try it
}

// networks are the published sizes. The larger ones need more images.
var networks = []network{
	{"T0", 40, []int{1, 2, 8, 2}, 1280, "gelu", 0.335, 0},
	{"T1", 64, []int{1, 2, 8, 2}, 1280, "gelu", 0.85, 3_000},
	{"T2", 96, []int{1, 2, 8, 2}, 1280, "relu", 1.9, 30_000},
	{"S", 128, []int{1, 2, 13, 2}, 1280, "relu", 4.5, 200_000},
}

func (n network) choices() []choice {
	return []choice{
		{"model.name", "fasternet", ""}, {"model.embed_dim", n.dim, ""}, {"model.depths", n.depths, ""},
		{"model.feature_dim", n.feature, ""}, {"model.act_layer", n.act, ""},
	}
}

// sizes are the image sizes to try: multiples of 32, the stride of the last stage.
var sizes = []int{64, 96, 128, 160, 192, 224}

// photographs is the ladder for images that are not tiny: the image size grows before the network does.
func photographs(side, images int) (all []rung) {
	largest := sizes[len(sizes)-1]
	for _, s := range sizes {
		if s >= 2*side {
			largest = s
			break
		}
	}
	for _, n := range networks {
		if images < n.enough {
			continue
		}
		for _, s := range sizes {
			cost := n.gmacs * float64(s*s) / (224 * 224)
			if s > largest || len(all) > 0 && cost < 1.25*all[len(all)-1].cost {
				continue
			}
			all = append(all, rung{
				name:  fmt.Sprintf("FasterNet-%s at %d px", n.name, s),
				model: n.choices(),
				size:  s,
				cost:  cost,
			})
		}
	}
	return all
}

// small returns a FasterNet of three stages for tiny images.
func small(name string, dim int, depths []int, divisor, patch, stride, size int, cost float64) rung {
	return rung{name: name, size: size, cost: cost, model: []choice{
		{"model.name", "fasternet", ""}, {"model.embed_dim", dim, ""}, {"model.depths", depths, ""},
		{"model.n_div", divisor, ""}, {"model.feature_dim", 512, ""},
		{"model.patch_size", patch, ""}, {"model.patch_stride", stride, ""}, {"model.act_layer", "gelu", ""},
		{"model.init_std", 0.1, ""},
	}}
}

// manyTinies is the number of images that the costlier networks for tiny ones need. On 600 images of Fashion-MNIST
// they are no better than the small one.
const manyTinies = 3000

// tinies returns the ladder for images of up to tinySide pixels.
func tinies(side, images int, pretrain bool) []rung {
	all := []rung{small("a FasterNet of 3 stages and patches of 2 px", 24, []int{1, 2, 2}, 4, 2, 2, 32, 0.0055)}
	if pretrain { // it needs patches that do not overlap
		return append(all, small("a wider FasterNet of 3 stages and patches of 2 px",
			40, []int{2, 3, 3}, 2, 2, 2, 32, 0.023))
	}
	if images < manyTinies {
		return all
	}
	size := min(max((side+3)/4*4, 28), 36)
	area := float64(size*size) / (28 * 28)
	for _, dim := range []int{24, 32, 40} {
		cost := 0.055 * area * float64(dim*dim) / (40 * 40)
		all = append(all, small(
			fmt.Sprintf("a FasterNet of 3 stages, %d wide, on overlapping patches of 3 px", dim),
			dim,
			[]int{2, 3, 3},
			2,
			3,
			1,
			size,
			cost,
		))
	}
	return all
}
