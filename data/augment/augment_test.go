package augment

import (
	"math"
	"slices"
	"testing"

	"fasternet/data/picture"
	"fasternet/data/policy"
	"fasternet/internal/rng"
)

func parsed(t testing.TB, text string) *policy.RandAugment {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// The arguments at magnitudes 3, 5, 7 and 9 equal timm's.
func TestOperationArguments(t *testing.T) {
	for _, test := range []struct {
		o    operation
		want [4]float64
	}{
		{opRotate, [4]float64{9, 15, 21, 27}},
		{opPosterize, [4]float64{3, 2, 2, 1}},
		{opSolarize, [4]float64{180, 128, 77, 26}},
		{opSolarizeAdd, [4]float64{33, 55, 77, 99}},
		{opColor, [4]float64{.27, .45, .63, .81}},
		{opContrast, [4]float64{.27, .45, .63, .81}},
		{opBrightness, [4]float64{.27, .45, .63, .81}},
		{opSharpness, [4]float64{.27, .45, .63, .81}},
		{opShearX, [4]float64{.09, .15, .21, .27}},
		{opShearY, [4]float64{.09, .15, .21, .27}},
		{opTranslateXRel, [4]float64{.135, .225, .315, .405}},
		{opTranslateYRel, [4]float64{.135, .225, .315, .405}},
	} {
		t.Run(operations[test.o].name, func(t *testing.T) {
			for k, m := range []float64{3, 5, 7, 9} {
				signs := map[float64]bool{}
				for seed := range uint64(40) {
					got := test.o.argument(m, true, rng.New(seed, rng.Augment))
					if test.o >= opColor && test.o <= opSharpness {
						got--
					}
					signs[math.Copysign(1, got)] = true
					if math.Abs(math.Abs(got)-test.want[k]) > 1e-12 {
						t.Fatalf("%s at %v: %v, want %v", operations[test.o].name, m, got, test.want[k])
					}
				}
				signed := test.o != opPosterize && test.o != opSolarize && test.o != opSolarizeAdd
				if len(signs) == 2 != signed {
					t.Errorf("%s at %v: signs %v", operations[test.o].name, m, signs)
				}
			}
		})
	}
	// Without inc, and at the ends of the range.
	for _, c := range []struct {
		o          operation
		level      float64
		increasing bool
		want       float64
	}{
		{opPosterize, 9, false, 3},
		{opPosterize, 0, false, 0},
		{opPosterize, 10, true, 0},
		{opPosterize, 0, true, 4},
		{opPosterize, 20, true, -4},
		{opSolarize, 9, false, 230},
		{opSolarize, 10, true, 0},
		{opSolarize, 20, true, 0},
		{opSolarizeAdd, 20, true, 128},
		{opColor, 5, false, 1}, {opColor, 0, false, 0.1}, {opBrightness, 10, false, 1.9}, {opAutoContrast, 9, true, 0},
	} {
		if got := c.o.argument(c.level, c.increasing, rng.New(1, rng.Augment)); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s at %v, increasing %v: %v, want %v", operations[c.o].name, c.level, c.increasing, got, c.want)
		}
	}
	for seed := range uint64(20) { // a factor is never below 0.1
		if got := opColor.argument(20, true, rng.New(seed, rng.Augment)); got != 0.1 && math.Abs(got-2.8) > 1e-12 {
			t.Errorf("factor %v", got)
		}
	}
}

func TestLevel(t *testing.T) {
	draws := func(text string) (mean, deviation, lo, hi float64) {
		p, r := parsed(t, text), rng.New(1, rng.Augment)
		const n = 20000
		var sum, squares float64
		lo, hi = math.Inf(1), math.Inf(-1)
		for range n {
			v := level(p, r)
			sum, squares, lo, hi = sum+v, squares+v*v, min(lo, v), max(hi, v)
		}
		mean = sum / n
		return mean, math.Sqrt(squares/n - mean*mean), lo, hi
	}
	near := func(text string, want ...float64) {
		t.Helper()
		mean, deviation, lo, hi := draws(text)
		for i, got := range []float64{mean, deviation, lo, hi} {
			if !math.IsNaN(want[i]) && math.Abs(got-want[i]) > 0.06 {
				t.Errorf("%s: mean, deviation, least, largest are %v %v %v %v, want %v",
					text, mean, deviation, lo, hi, want)
				return
			}
		}
	}
	any := math.NaN()
	near("rand-m7", 7, 0, 7, 7)
	near("rand-m15", 10, 0, 10, 10)
	near("rand-m15-mmax20", 15, 0, 15, 15)
	near("rand-m5-mstd0.5", 5, 0.5, any, any)
	near("rand-m10-mstd1", 10-0.4, any, any, 10) // half of the noise is cut off: its mean is −1/√(2π)
	near("rand-m0-mstd1", 0.4, any, 0, any)
	near("rand-m6-mstd101", 3, 6/math.Sqrt(12), 0, 6)
}

// Every operation is drawn equally often, or by its weight; by default half of the drawn ones are
// applied.
func TestRandAugmentDraws(t *testing.T) {
	r := rng.New(1, rng.Augment)
	var drawn [operationCount]bool
	var count [operationCount]int
	for range 20000 {
		count[weighted(&drawn, r)]++
	}
	for o, n := range count {
		if want := 20000 * operations[o].weight / 200; math.Abs(float64(n-want)) > 0.1*float64(want)+40 {
			t.Errorf("%s is drawn %d times of 20000, want about %d", operations[o].name, n, want)
		}
	}
	for o := range drawn {
		drawn[o] = o != int(opEqualize) && operations[o].weight > 0
	}
	if o := weighted(&drawn, r); o != opEqualize {
		t.Errorf("%s is drawn, where only Equalize is left", operations[o].name)
	}
	// changed applies a policy of one operation to a flat image of value 10.
	changed := func(text string) (share float64) {
		p, n := parsed(t, text), 0
		for seed := range uint64(3000) {
			c := Canvas{Image: picture.NewImage(4, 4, 1), Cubic: true}
			for i := range c.Image.Pix {
				c.Image.Pix[i] = uint8(i*i + 10)
			}
			before := clonedImage(c.Image)
			c.RandAugment(p, rng.New(seed, rng.Augment))
			if !slices.Equal(before.Pix, c.Image.Pix) {
				n++
			}
		}
		return float64(n) / 3000
	}
	all := changed("rand-m9-n1-p1-inc1") // equalize, solarize and colour leave this image as it is
	if all < 0.7 || all > 0.95 {
		t.Errorf("%v of the images change", all)
	}
	for _, test := range []struct {
		text string
		want float64
	}{{"rand-m9-n1-inc1", all / 2}, {"rand-m9-inc1", 1 - (1-all/2)*(1-all/2)}, {"rand-m9-p0-inc1", 0}} {
		t.Run(test.text, func(t *testing.T) {
			if got := changed(test.text); math.Abs(got-test.want) > 0.05 {
				t.Errorf("%s changes %v of the images, want %v", test.text, got, test.want)
			}
		})
	}
}

var erasingArea = [2]float64{0.02, 1. / 3}

func TestErasing(t *testing.T) {
	const h, w, c = 30, 20, 3
	erased := func(e Erasing, seed uint64) (x []float32, n int) {
		x = make([]float32, h*w*c)
		for i := range x {
			x[i] = 100
		}
		if _, err := e.Apply(x, h, w, c, rng.New(seed, rng.Augment)); err != nil {
			t.Fatal(err)
		}
		for _, v := range x {
			if v != 100 {
				n++
			}
		}
		return x, n
	}
	for _, mode := range []ErasingMode{EraseConst, EraseRand, ErasePixel} {
		hit := 0
		for seed := range uint64(2000) {
			x, n := erased(Erasing{Prob: 0.25, Mode: mode, Count: 1, Area: erasingArea}, seed)
			if n == 0 {
				continue
			}
			hit++
			if n%c != 0 || n < c*6 || n > c*h*w*2/5 { // of 600 pixels at least 2 %, at most a third, before rounding
				t.Fatalf("%s: %d values are erased", mode, n)
			}
			values := map[float32]int{}
			for _, v := range x {
				if v != 100 {
					values[v]++
				}
			}
			want := map[ErasingMode]int{EraseConst: 1, EraseRand: c, ErasePixel: n}[mode]
			if d := want - len(values); d < 0 || d > 3 || mode != ErasePixel && d > 0 ||
				mode == EraseConst && values[0] != n {
				t.Fatalf("%s: %d values of which %d are different, want %d", mode, n, len(values), want)
			}
		}
		if math.Abs(float64(hit)/2000-0.25) > 0.04 {
			t.Errorf("%s: %d of 2000 images are erased in", mode, hit)
		}
	}
	// The erased pixels are one rectangle inside the image. Several rectangles share the area.
	for seed := range uint64(300) {
		x, n := erased(Erasing{Prob: 1, Mode: EraseConst, Count: 1, Area: erasingArea}, seed)
		top, left, bottom, right := h, w, -1, -1
		for i, v := range x {
			if v == 0 {
				y, col := i/c/w, i/c%w
				top, left, bottom, right = min(top, y), min(left, col), max(bottom, y), max(right, col)
			}
		}
		if n != 0 && (bottom-top+1)*(right-left+1)*c != n || bottom-top+1 == h || right-left+1 == w {
			t.Fatalf("seed %d: %d values in a box of %d to %d, %d to %d", seed, n, top, bottom, left, right)
		}
		three := Erasing{Prob: 1, Mode: EraseConst, Count: 3, Area: [2]float64{0.3, 0.3}}
		if _, n := erased(three, seed); n > c*h*w*4/10 {
			t.Fatalf("seed %d: three rectangles of 30 %% together have %d of %d values", seed, n, h*w*c)
		}
	}
	// If no rectangle fits, none is erased.
	one := []float32{100, 100, 100}
	(&Erasing{Prob: 1, Mode: EraseConst, Count: 1, Area: erasingArea}).Apply(one, 1, 1, 3, rng.New(1, rng.Augment))
	if !slices.Equal(one, []float32{100, 100, 100}) && !slices.Equal(one, []float32{0, 0, 0}) {
		t.Errorf("one pixel is %v", one)
	}
}
