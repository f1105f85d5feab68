package masking

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"fasternet/internal/golden"
)

func room(t Target) [][]float32 {
	out := make([][]float32, t.Scales())
	for k := range out {
		cells, values := t.Shape(k)
		out[k] = make([]float32, cells*values)
		for i := range out[k] {
			out[k][i] = float32(math.NaN()) // pooled memory may hold anything
		}
	}
	return out
}

func compute(t testing.TB, target Target, image []float32) [][]float32 {
	t.Helper()
	dst := room(target)
	if err := target.Compute(dst, image); err != nil {
		t.Fatal(err)
	}
	return dst
}

func checkAbs(t testing.TB, name string, got, want []float32, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - float64(w)); !(d <= tol) {
			t.Errorf("%s: value %d is %v, want %v", name, i, got[i], w)
			return
		}
	}
}

func newHOG(t testing.TB, h, w, c, bins int, cells []int, bias [][2]float32) *HOG {
	t.Helper()
	hog, err := NewHOG(h, w, c, bins, cells, bias)
	if err != nil {
		t.Fatal(err)
	}
	return hog
}

var pools = []int{4, 8, 16, 32}

func goldenBias(file map[string]golden.Tensor, name string) [][2]float32 {
	out := make([][2]float32, len(pools))
	for k := range out {
		copy(out[k][:], file[fmt.Sprintf(name, k)].Data)
	}
	return out
}

func TestHOGGolden(t *testing.T) {
	file := golden.Tensors(t, "hog.safetensors")
	image := golden.ToNHWC(file["input"].Data, 1, 3, 96, 64)
	for _, bins := range []int{9, 18} {
		for _, c := range []struct {
			name string
			bias [][2]float32
		}{{"", nil}, {"_bias", goldenBias(file, "bias/%d")}} {
			t.Run(c.name, func(t *testing.T) {
				got := compute(t, newHOG(t, 96, 64, 3, bins, pools, c.bias), image)
				for k, pool := range pools {
					n := fmt.Sprintf("n%d%s/%d", bins, c.name, pool)
					checkAbs(t, n, got[k], file[n].Data, 1e-5)
				}
			})
		}
		flat := golden.ToNHWC(file["degenerate_input"].Data, 5, 3, 32, 32)
		hog := newHOG(t, 32, 32, 3, bins, pools, nil)
		for i := range 5 {
			got := compute(t, hog, flat[i*32*32*3:][:32*32*3])
			for k, pool := range pools {
				n := fmt.Sprintf("degenerate_n%d/%d", bins, pool)
				size := len(got[k])
				checkAbs(t, fmt.Sprint(n, " image ", i), got[k], file[n].Data[i*size:][:size], 1e-5)
			}
		}
	}
}

func TestTargetsOfPretrainingGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		bins int
	}{{"mim_vit_n9", 9}, {"mim_vit_n18_bias", 18}} {
		t.Run(c.name, func(t *testing.T) {
			file := golden.Tensors(t, c.name+".safetensors")
			var bias [][2]float32
			if c.bins == 18 {
				bias = goldenBias(file, "hog_enc.%d.conv.bias")
			}
			checkGoldenTargets(
				t, c.name, file, newHOG(t, 96, 96, 3, c.bins, pools, bias),
				golden.ToNHWC(file["input"].Data, 2, 3, 96, 96), 2, 1,
			)
		})
	}
	swinPools := []int{8, 16, 32, 32}
	swin := golden.Tensors(t, "mim_swin_hog.safetensors")
	checkGoldenTargets(
		t, "mim_swin_hog", swin, newHOG(t, 224, 224, 3, 9, swinPools, nil), goldenSwinInput(3001, 2), 2, 1,
	)
	pixels, err := NewPixels(224, 224, 3, swinPools, true)
	if err != nil {
		t.Fatal(err)
	}
	checkGoldenTargets(
		t, "mim_swin_pixel", golden.Tensors(t, "mim_swin_pixel.safetensors"), pixels,
		goldenSwinInput(2, 1), 1, 8,
	)
}

func goldenSwinInput(seed, batch int) []float32 {
	return golden.ToNHWC(golden.Image("input", seed, batch*3*224*224), batch, 3, 224, 224)
}

// checkGoldenTargets compares every value, or each of every so many.
func checkGoldenTargets(
	t *testing.T,
	name string,
	file map[string]golden.Tensor,
	target Target,
	images []float32,
	batch, every int,
) {
	t.Helper()
	size := len(images) / batch
	for b := range batch {
		got := compute(t, target, images[b*size:][:size])
		for k, g := range got {
			var some []float32
			for i := 0; i < len(g); i += every {
				some = append(some, g[i])
			}
			want := file[fmt.Sprintf("target/%d", k)].Data
			checkAbs(t, fmt.Sprintf("%s, image %d, scale %d", name, b, k), some, want[b*len(some):][:len(some)], 1e-5)
		}
	}
}

// The targets equal the numbers that the method's specification works out by hand.
func TestHOGWorkedExample(t *testing.T) {
	image := make([]float32, 64)
	for i := range image {
		y, x := i/8, i%8
		image[i] = 0.1 * float32((x*x+3*y)%11)
	}
	got := compute(t, newHOG(t, 8, 8, 1, 9, []int{4}, nil), image)[0]
	checkAbs(t, "cells", got, []float32{
		0.761334, 0.421142, 0, 0, 0.468575, 0, 0, 0.114779, 0.101358,
		0.597036, 0.311253, 0, 0, 0.229489, 0, 0.558942, 0.311253, 0.291050,
		0.713973, 0.155114, 0, 0.427395, 0.467735, 0, 0, 0.114658, 0.227142,
		0.751918, 0.216880, 0, 0, 0.266512, 0, 0.389468, 0.216880, 0.343266}, 2e-6)
	got = compute(t, newHOG(t, 8, 8, 1, 9, []int{4}, [][2]float32{{0.1, -0.2}}), image)[0]
	checkAbs(
		t, "cell with bias", got[:9],
		[]float32{0.396792, 0.479371, 0.138338, 0.089592, 0.147055, 0.320857, 0, 0.186930, 0.652747},
		2e-6,
	)
}

// Scales that are summed from others equal scales that are computed alone, in any order, also if no
// cell divides another.
func TestHOGScalesAreIndependent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, c := range []int{1, 2, 3} {
		image := randomImage(r, 24*48*c)
		cells := []int{12, 4, 6, 24, 8, 6, 2}
		bias := make([][2]float32, len(cells))
		bias[3], bias[5] = [2]float32{0.1, 0.2}, [2]float32{0.1, 0.2}
		all := compute(t, newHOG(t, 24, 48, c, 7, cells, bias), image)
		for k, cell := range cells {
			alone := compute(t, newHOG(t, 24, 48, c, 7, []int{cell}, bias[k:k+1]), image)
			checkAbs(t, fmt.Sprintf("%d channels, cells of %d", c, cell), all[k], alone[0], 2e-6)
			for i := 0; i < len(all[k]); i += 7 {
				var squares float64
				for _, v := range all[k][i:][:7] {
					squares += float64(v) * float64(v)
				}
				if math.Abs(squares-1) > 1e-5 {
					t.Fatalf("a histogram has the length √%v, want 1", squares)
				}
			}
		}
		// Without the smallest scale, no scale has the unit cells.
		few := compute(t, newHOG(t, 24, 48, c, 7, []int{12, 8}, nil), image)
		checkAbs(t, "cells of 12 with 8", few[0], all[0], 2e-6)
		checkAbs(t, "cells of 8 with 12", few[1], all[4], 2e-6)
	}
}

func randomImage(r *rand.Rand, n int) []float32 {
	image := make([]float32, n)
	for i := range image {
		image[i] = float32(r.NormFloat64())
	}
	return image
}

func TestPixelsStandardise(t *testing.T) {
	pixels, err := NewPixels(2, 2, 1, []int{2}, true)
	if err != nil {
		t.Fatal(err)
	}
	got := compute(t, pixels, []float32{1, 2, 3, 6})
	checkAbs(t, "patch", got[0], []float32{-0.925820, -0.462910, 0, 1.388730}, 1e-6)
	checkAbs(t, "flat patch", compute(t, pixels, []float32{5, 5, 5, 5})[0], make([]float32, 4), 1e-6)
}

func TestPixelsOrder(t *testing.T) {
	image := make([]float32, 4*6*2)
	for i := range image {
		image[i] = float32(i)
	}
	pixels, err := NewPixels(4, 6, 2, []int{2, 1, 2}, false)
	if err != nil {
		t.Fatal(err)
	}
	got := compute(t, pixels, image)
	checkAbs(t, "patch (0, 1)", got[0][8:16], []float32{4, 5, 6, 7, 16, 17, 18, 19}, 0)
	checkAbs(t, "patch (1, 0)", got[2][24:32], []float32{24, 25, 26, 27, 36, 37, 38, 39}, 0)
	checkAbs(t, "single pixels", got[1], image, 0)
}

func TestTargetErrors(t *testing.T) {
	hog := func(h, w, c, bins int, cells []int, bias [][2]float32) error {
		_, err := NewHOG(h, w, c, bins, cells, bias)
		return err
	}
	pix := func(h, w, c int, sides ...int) error {
		_, err := NewPixels(h, w, c, sides, true)
		return err
	}
	good := newHOG(t, 32, 32, 3, 9, pools, nil)
	for _, test := range []struct {
		want string
		err  error
	}{
		{"cells of 5 pixels (HOG, scale 1) do not divide an image of 32×32", hog(32, 32, 3, 9, []int{4, 5}, nil)},
		{"too small for a gradient", hog(1, 32, 3, 9, []int{1}, nil)},
		{"0 bins", hog(32, 32, 3, 0, pools, nil)},
		{"0 channels", hog(32, 32, 0, 9, pools, nil)},
		{"no scales", hog(32, 32, 3, 9, nil, nil)},
		{"bias for 1 scales, but there are 4", hog(32, 32, 3, 9, pools, make([][2]float32, 1))},
		{"do not divide an image of 30×32", pix(30, 32, 3, 16)},
		{"have no variance", pix(4, 4, 1, 1)},
		{"an image of 3 values; the targets are for", good.Compute(room(good), make([]float32, 3))},
		{"room for targets of 1 scales", good.Compute(room(good)[:1], make([]float32, 32*32*3))},
		{"room for 0 values of the target of scale 0", good.Compute(make([][]float32, 4), make([]float32, 32*32*3))},
	} {
		t.Run(test.want, func(t *testing.T) {
			if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
				t.Errorf("error %v, want %q", test.err, test.want)
			}
		})
	}
}

func BenchmarkTargets(b *testing.B) {
	image := randomImage(rand.New(rand.NewPCG(1, 2)), 224*224*3)
	swin := []int{8, 16, 32, 32}
	pixels, err := NewPixels(224, 224, 3, swin, true)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		target Target
	}{
		{"HOG9", newHOG(b, 224, 224, 3, 9, pools, nil)},
		{"HOG18Bias", newHOG(b, 224, 224, 3, 18, pools, [][2]float32{{0.1, 0.2}, {-0.3, 0}, {0.2, -0.1}, {0.3, 0.3}})},
		{"HOG18BiasSwin", newHOG(
			b, 224, 224, 3, 18, swin, [][2]float32{{0.1, 0.2}, {-0.3, 0}, {0.2, -0.1}, {0.3, 0.3}},
		)},
		{"Pixels", pixels},
	} {
		b.Run(c.name, func(b *testing.B) {
			dst := room(c.target)
			for b.Loop() {
				if err := c.target.Compute(dst, image); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
