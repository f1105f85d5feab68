package masking

import (
	"fmt"
	"slices"
	"testing"

	"fasternet/internal/golden"
)

// Cells of units, and units of cells.
func TestScaleMask(t *testing.T) {
	mask := []float32{
		1, 0, 0, 1,
		1, 1, 0, 1,
		0, 0, 0, 0,
		1, 1, 1, 0,
	}
	for _, c := range []struct {
		name string
		grid int
		want func(row, col int) float32
	}{
		{"as many", 4, func(row, col int) float32 { return mask[row*4+col] }},
		{"three times", 12, func(row, col int) float32 { return mask[row/3*4+col/3] }},
		{"half", 2, func(row, col int) float32 { return []float32{0.75, 0.5, 0.5, 0.25}[row*2+col] }},
		{"one", 1, func(int, int) float32 { return 0.5 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := make([]float32, c.grid*c.grid)
			scaleMask(got, c.grid, mask, 4)
			for i, v := range got {
				if want := c.want(i/c.grid, i%c.grid); v != want {
					t.Errorf("cell %d is %v, want %v", i, v, want)
				}
			}
		})
	}
}

// The masks at all scales equal the reference's.
func TestScaledMasksGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		side int // units of an image
	}{{"mim_vit_n9", 6}, {"mim_vit_n18_bias", 6}, {"mim_swin_hog", 7}, {"mim_swin_pixel", 7}} {
		t.Run(c.name, func(t *testing.T) {
			file, units := golden.Tensors(t, c.name+".safetensors"), c.side*c.side
			masks := file["mask"].Data
			for image := range len(masks) / units {
				for k := range 4 {
					all := file[fmt.Sprintf("mask_scaled/%d", k)].Data
					cells := len(all) * units / len(masks)
					grid := 1
					for grid*grid < cells {
						grid++
					}
					got := make([]float32, cells)
					scaleMask(got, grid, masks[image*units:][:units], c.side)
					if want := all[image*cells:][:cells]; !slices.Equal(got, want) {
						t.Errorf("image %d, scale %d: %v, want %v", image, k, got, want)
					}
				}
			}
		})
	}
}
