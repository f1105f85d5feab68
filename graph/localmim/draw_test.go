package localmim

import (
	"slices"
	"testing"

	"fasternet/internal/golden"
	"fasternet/internal/rng"
)

// The visible units equal the reference's, in its order.
func TestKeptUnits(t *testing.T) {
	vit := golden.Tensors(t, "mim_vit_n9.safetensors")
	for image := range 2 {
		kept := make([]int32, 9)
		keepSmallest(kept, vit["noise"].Data[image*36:][:36])
		ranks, mask := vit["ids_restore"].Data[image*36:][:36], vit["mask"].Data[image*36:][:36]
		for rank, u := range kept {
			if ranks[u] != float32(rank) || mask[u] != 0 {
				t.Errorf("patch %d is kept as number %d, but has rank %v and mask %v", u, rank, ranks[u], mask[u])
			}
		}
	}
	swin := golden.Tensors(t, "mim_swin_hog.safetensors")
	var perm []int
	for _, v := range swin["perm"].Data {
		perm = append(perm, int(v))
	}
	var want []int32
	for u, masked := range swin["mask"].Data {
		if masked == 0 {
			want = append(want, int32(u))
		}
	}
	kept := make([]int32, len(want))
	if keepLast(kept, perm); !slices.Equal(kept, want) {
		t.Errorf("units %v are kept, want %v", kept, want)
	}
}

// Every family draws each unit once and different units each time, and the generator decides
// which.
func TestDraw(t *testing.T) {
	for _, e := range encoders {
		const units, visible = 36, 9
		draw := func(at uint64) []int32 {
			kept := make([]int32, visible)
			e.Draw(kept, units, rng.New(1, rng.Mask, at))
			return kept
		}
		seen := map[int32]int{}
		for at := range uint64(40) {
			kept := draw(at)
			for _, u := range kept {
				seen[u]++
			}
			sorted := slices.Sorted(slices.Values(kept))
			if len(slices.Compact(sorted)) != visible || sorted[0] < 0 || sorted[visible-1] >= units {
				t.Errorf("%s: units %v", e.Family, kept)
			}
			if !slices.Equal(kept, draw(at)) || slices.Equal(kept, draw(at+1)) {
				t.Errorf("%s: draw %d is not a function of its generator", e.Family, at)
			}
		}
		if len(seen) != units {
			t.Errorf("%s: %d of %d units were ever drawn", e.Family, len(seen), units)
		}
	}
}
