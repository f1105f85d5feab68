package masking

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/golden"
	"fasternet/internal/rng"
)

func floats[T int | int32 | float32](x []T) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

func checkEqual[T int | int32 | float32](t *testing.T, name string, got []T, want []float32) {
	t.Helper()
	if !slices.Equal(floats(got), want) {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

var vitScales = []float64{4, 2, 1, 0.5}

func newColumnar(t testing.TB, h, w, patch int, ratio float64, scales []float64) *Columnar {
	t.Helper()
	c, err := NewColumnar(h, w, patch, ratio, scales)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newPyramid(t testing.TB, opt PyramidOptions) *Pyramid {
	t.Helper()
	p, err := NewPyramid(opt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func swinOptions() PyramidOptions {
	return PyramidOptions{Height: 224, Width: 224, Patch: 4, Stages: 4, Ratio: 0.75}
}

func TestColumnarGolden(t *testing.T) {
	for _, name := range []string{"mim_vit_n9", "mim_vit_n18_bias"} {
		file := golden.Tensors(t, name+".safetensors")
		c := newColumnar(t, 96, 96, 16, 0.75, vitScales)
		if c.Kept() != 9 || !slices.Equal(c.Cells(), pools) {
			t.Fatalf("%d kept, cells %v", c.Kept(), c.Cells())
		}
		for b := range 2 {
			noise := file["noise"].Data[b*36:][:36]
			keep, mask := make([]int32, 9), make([]float32, 36)
			c.arrange(keep, mask, noise)
			checkEqual(t, "mask", mask, file["mask"].Data[b*36:][:36])
			restore := file["ids_restore"].Data[b*36:][:36] // the rank of each patch
			for rank, i := range keep {
				if int(restore[i]) != rank || mask[i] != 0 {
					t.Errorf("patch %d is kept as number %d, but has rank %v and mask %v", i, rank, restore[i], mask[i])
				}
			}
			for k, s := range vitScales {
				n := c.ScaleGrid(k).Size()
				scaled := make([]float32, n)
				if err := scaleMask(scaled, mask, c.MaskGrid(), s); err != nil {
					t.Fatal(err)
				}
				checkEqual(t, fmt.Sprint("mask at scale ", s), scaled, file[fmt.Sprintf("mask_scaled/%d", k)].Data[b*n:][:n])
			}
		}
	}
}

func TestPyramidGolden(t *testing.T) {
	for _, name := range []string{"mim_swin_hog", "mim_swin_pixel"} {
		file := golden.Tensors(t, name+".safetensors")
		p := newPyramid(t, swinOptions())
		perm := make([]int, 49)
		for i, v := range file["perm"].Data {
			perm[i] = int(v)
		}
		mask := make([]float32, 49)
		p.Mask(mask, perm)
		checkEqual(t, "mask", mask, file["mask"].Data)
		b := &Batch{weights: make([][]float32, 4)}
		for k := range b.weights {
			b.weights[k] = make([]float32, p.ScaleGrid(k).Size())
		}
		p.allocate(b, 1)
		copy(b.mask, mask)
		p.lay(b, 0)
		for s := range 4 {
			at := func(what string) []float32 { return file[fmt.Sprintf("%s/%d", what, s)].Data }
			checkEqual(t, "visible", p.visibleTokens(mask, p.side(s)), at("visible"))
			checkEqual(t, "visible_out", p.visibleTokens(mask, p.outSide(s)), at("visible_out"))
			checkEqual(t, "mask_scaled", b.weights[s], at("mask_scaled"))
		}
		// What the encoder keeps are the places of the tokens of the first stage.
		places := file["coords/0"].Data
		for i, at := range b.keep {
			if float32(at) != places[2*i]*56+places[2*i+1] {
				t.Fatalf("token %d is patch %d, want (%v, %v)", i, at, places[2*i], places[2*i+1])
			}
		}
		if 2*len(b.keep) != len(places) || len(b.keep) != p.Kept() {
			t.Errorf("%d patches are kept, want %d", len(b.keep), len(places)/2)
		}
	}
}

// pyramids are grids of many forms.
func pyramids(t *testing.T) []*Pyramid {
	options := []PyramidOptions{
		swinOptions(),
		{Height: 224, Width: 224, Patch: 4, Stages: 4, Ratio: 0.5},
		{Height: 28, Width: 28, Patch: 2, Stages: 2, Ratio: 0.6},
		{Height: 96, Width: 160, Patch: 4, Stages: 3, Unit: 8, Ratio: 0.3},
		{Height: 64, Width: 32, Patch: 4, Stages: 2, Unit: 4, Ratio: 0, Taps: []int{1}},
		{Height: 32, Width: 32, Patch: 4, Stages: 1, Ratio: 0.75},
	}
	var out []*Pyramid
	for _, o := range options {
		out = append(out, newPyramid(t, o))
	}
	return out
}

func (p *Pyramid) randomMask(seed uint64) []float32 {
	mask := make([]float32, p.units.Size())
	p.Mask(mask, rng.New(seed, rng.Mask).Perm(len(mask)))
	return mask
}

func TestPyramidCounts(t *testing.T) {
	for _, p := range pyramids(t) {
		mask := p.randomMask(3)
		masked := 0
		for _, m := range mask {
			masked += int(m)
		}
		if want := int(p.Ratio*float64(p.units.Size())) + 1; masked != want || p.Visible() != len(mask)-want {
			t.Errorf("%d of %d units are masked and %d visible, want %d masked", masked, len(mask), p.Visible(), want)
		}
		for k, cell := range p.Cells() {
			if g := p.ScaleGrid(k); g.Rows*cell != p.Height || g.Cols*cell != p.Width {
				t.Errorf("%v cells of %d pixels in an image of %d×%d", g, cell, p.Height, p.Width)
			}
		}
	}
	if p := newPyramid(t, swinOptions()); p.Visible() != 12 || !slices.Equal(p.Cells(), []int{8, 16, 32, 32}) {
		t.Errorf("Swin at 224: %d visible, cells %v", p.Visible(), p.Cells())
	}
}

func TestScaleMask(t *testing.T) {
	mask := []float32{1, 0, 0, 1, 1, 1, 0, 1}
	grid := Grid{2, 4}
	got := make([]float32, 2)
	if err := scaleMask(got, mask, grid, 0.5); err != nil || !slices.Equal(got, []float32{0.75, 0.5}) {
		t.Errorf("half: %v, %v", got, err)
	}
	got = make([]float32, 72)
	if err := scaleMask(got, mask, grid, 3); err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if want := mask[i/12/3*4+i%12/3]; v != want {
			t.Fatalf("three times: place %d is %v, want %v", i, v, want)
		}
	}
	for _, c := range []struct {
		want string
		err  error
	}{
		{"scale 0.7", scaleMask(got, mask, grid, 0.7)},
		{"do not divide", scaleMask(got, mask, grid, 1.0/3)},
		{"8 values", scaleMask(got, mask, Grid{3, 4}, 1)},
		{"room for 72", scaleMask(got, mask, grid, 1)},
		{"scale NaN", scaleMask(got, mask, grid, math.NaN())},
		{"scale -1", scaleMask(got, mask, grid, -1)},
		{"scale 0; a who", scaleMask(got, mask, grid, 0)},
	} {
		t.Run(c.want, func(t *testing.T) {
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("error %v, want %q", c.err, c.want)
			}
		})
	}
}

func TestMaskErrors(t *testing.T) {
	columnar := func(h, w, patch int, ratio float64, scales ...float64) error {
		_, err := NewColumnar(h, w, patch, ratio, scales)
		return err
	}
	pyramid := func(change func(*PyramidOptions)) error {
		opt := swinOptions()
		change(&opt)
		_, err := NewPyramid(opt)
		return err
	}
	for _, c := range []struct {
		want string
		err  error
	}{
		{"patches of 16 pixels do not divide an image of 100×96", columnar(100, 96, 16, 0.75, 1)},
		{"patches of 0 pixels", columnar(96, 96, 0, 0.75, 1)},
		{"cells of 14/4 = 3.5 pixels", columnar(224, 224, 14, 0.75, 4, 2, 1, 0.5)},
		{"blocks of 2×2 do not divide a grid of 7×7", columnar(28, 28, 4, 0.75, 4, 2, 1, 0.5)},
		{"scale 1.5", columnar(96, 96, 16, 0.75, 1.5)},
		{"no scales", columnar(96, 96, 16, 0.75)},
		{"int(36·(1-0.99)) = 0 of the 36", columnar(96, 96, 16, 0.99, 1)},
		{"mask ratio 0 keeps", columnar(96, 96, 16, 0, 1)},
		{"mask ratio NaN", columnar(96, 96, 16, math.NaN(), 1)},
		{"multiple of 2^3 = 8", pyramid(func(o *PyramidOptions) { o.Unit = 4 })},
		{"an image of 240×224 pixels (60×56 patches); its sides must be multiples of 32", pyramid(func(o *PyramidOptions) { o.Height = 240 })},
		{"int(1·49)+1 = 50 of the 49 units", pyramid(func(o *PyramidOptions) { o.Ratio = 1 })},
		{"mask ratio -1", pyramid(func(o *PyramidOptions) { o.Ratio = -1 })},
		{"0 stages", pyramid(func(o *PyramidOptions) { o.Stages = 0 })},
		{"stages [1 1] feed the decoders", pyramid(func(o *PyramidOptions) { o.Taps = []int{1, 1} })},
		{"stages [4] feed", pyramid(func(o *PyramidOptions) { o.Taps = []int{4} })},
		{"no stage feeds", pyramid(func(o *PyramidOptions) { o.Taps = []int{} })},
	} {
		t.Run(c.want, func(t *testing.T) {
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("error %v, want %q", c.err, c.want)
			}
		})
	}
}

// What the masks of a batch cost a worker.
func BenchmarkMasks(b *testing.B) {
	perSample := swinOptions()
	perSample.PerSample = true
	for _, c := range []struct {
		name  string
		masks Masks
	}{{"ViT", newColumnar(b, 224, 224, 16, 0.75, vitScales)},
		{"Swin", newPyramid(b, swinOptions())}, {"SwinPerSample", newPyramid(b, perSample)}} {
		b.Run(c.name, func(b *testing.B) {
			const size = 8
			batch := &Batch{}
			for k := range c.masks.Scales() {
				batch.weights = append(batch.weights, make([]float32, size*c.masks.ScaleGrid(k).Size()))
			}
			c.masks.allocate(batch, size)
			for step := 0; b.Loop(); step++ {
				at := data.Position{Step: step, Size: size}
				for at.Place = range size {
					at.Index = step*size + at.Place
					if err := c.masks.sample(batch, at); err != nil {
						b.Fatal(err)
					}
				}
				if err := c.masks.complete(batch, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
