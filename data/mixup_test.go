package data

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/golden"
	"fasternet/internal/rng"
)

func TestMixupGolden(t *testing.T) {
	var want struct {
		Batches []struct {
			Kind      string
			Lam       float64
			Cy, Cx    int
			Classes   int
			Smoothing float64 `json:"label_smoothing"`
		}
		Boxes []struct {
			H, W           int
			Lam            float64
			Cy, Cx         int
			Yl, Yh, Xl, Xh int
			Corrected      float64 `json:"lam_corrected"`
		}
	}
	golden.JSON(t, "mixup.json", &want)
	for _, b := range want.Boxes {
		got := cutmixBox(b.H, b.W, b.Lam, b.Cy, b.Cx)
		if got != (picture.Box{Top: b.Yl, Left: b.Xl, Height: b.Yh - b.Yl, Width: b.Xh - b.Xl}) {
			t.Errorf("box %+v: got %+v", b, got)
		}
		if lambda := keptShare(got, b.H, b.W); math.Abs(lambda-b.Corrected) > 1e-15 {
			t.Errorf("box %+v: corrected λ %v", b, lambda)
		}
	}
	g := datatest.Goldens(t, "mixup.safetensors")
	for i, b := range want.Batches {
		shape, in := g.Floats(fmt.Sprintf("in/%d", i))
		_, out := g.Floats(fmt.Sprintf("out/%d", i))
		_, target := g.Floats(fmt.Sprintf("target/%d", i))
		labels := g.Ints(fmt.Sprintf("labels/%d", i))
		n, c, h, w := int(shape[0]), int(shape[1]), int(shape[2]), int(shape[3])
		images := golden.ToNHWC(in, n, c, h, w)
		lambda := b.Lam
		if b.Kind == "cutmix" {
			box := cutmixBox(h, w, lambda, b.Cy, b.Cx)
			swapPartners(images, n, h, w, c, box)
			lambda = keptShare(box, h, w)
		} else {
			blendPartners(images, n, lambda)
		}
		datatest.Near(t, fmt.Sprintf("out/%d", i), images, golden.ToNHWC(out, n, c, h, w), 0)
		targets := make([]float32, n*b.Classes)
		if err := blendTargets(targets, labels, b.Classes, b.Smoothing, lambda); err != nil {
			t.Fatal(err)
		}
		datatest.Near(t, fmt.Sprintf("target/%d", i), targets, target, 1e-7)
	}
}

func TestMixupReferenceValues(t *testing.T) {
	targets := make([]float32, 10)
	if err := blendTargets(targets, []int{0, 3}, 5, 0.1, 0.7); err != nil {
		t.Fatal(err)
	}
	datatest.Near(t, "targets", targets, []float32{.65, .02, .02, .29, .02, .29, .02, .02, .65, .02}, 1e-6)

	box := cutmixBox(224, 224, 0.75, 10, 200)
	if box != (picture.Box{Top: 0, Left: 144, Height: 66, Width: 80}) {
		t.Errorf("box is %+v", box)
	}
	if lambda := keptShare(box, 224, 224); math.Abs(lambda-0.894770) > 5e-7 {
		t.Errorf("corrected λ is %v", lambda)
	}
}

func TestSmoothTargets(t *testing.T) {
	got := make([]float32, 6)
	if err := SmoothTargets(got, []int{1, 2}, 3, 0.3); err != nil {
		t.Fatal(err)
	}
	datatest.Near(t, "smoothed", got, []float32{.1, .8, .1, .1, .1, .8}, 1e-7)
	if err := SmoothTargets(got, []int{1, 2}, 3, 0); err != nil {
		t.Fatal(err)
	}
	datatest.Near(t, "one-hot", got, []float32{0, 1, 0, 0, 0, 1}, 0)
}

// mixed applies m to a batch in which every value of sample i is i, so that the result shows
// where a value comes from.
func mixed(t *testing.T, m *Mixup, b, h, w, c int, seed uint64) (images, targets []float32) {
	t.Helper()
	images = make([]float32, b*h*w*c)
	labels := make([]int, b)
	for i := range images {
		images[i] = float32(i / (h * w * c))
	}
	for i := range labels {
		labels[i] = i
	}
	targets = make([]float32, b*m.Classes)
	if err := m.Apply(images, b, h, w, c, labels, targets, rng.New(seed, rng.Mix)); err != nil {
		t.Fatal(err)
	}
	return images, targets
}

// Whatever is drawn, a sample has the same share of its partner in its pixels and in its target.
func TestMixupTargetsFollowPixels(t *testing.T) {
	const b, h, w, c = 4, 12, 16, 2
	for _, test := range []struct {
		name string
		m    *Mixup
	}{
		{"mixup", &Mixup{MixupAlpha: 0.4, Prob: 1, Classes: b}},
		{"cutmix", &Mixup{CutmixAlpha: 1, Prob: 1, Classes: b}},
		{"both", &Mixup{MixupAlpha: 0.8, CutmixAlpha: 1, Prob: 0.7, SwitchProb: 0.5, Classes: b}},
		{"min-max", &Mixup{CutmixMinMax: &[2]float64{0.2, 0.8}, Prob: 1, Classes: b}},
		{"tiny α", &Mixup{MixupAlpha: 1e-6, Prob: 1, Classes: b}},
		{"off", &Mixup{Prob: 1, Classes: b}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for seed := range uint64(50) {
				images, targets := mixed(t, test.m, b, h, w, c, seed)
				for i := range b {
					sum := 0.0
					for _, v := range images[i*h*w*c:][:h*w*c] {
						sum += float64(v)
					}
					mean := sum / (h * w * c)
					want := float64(targets[i*b+i])*float64(i) + float64(targets[i*b+b-1-i])*float64(b-1-i)
					if math.Abs(mean-want) > 1e-5 {
						t.Fatalf("%s, seed %d: mean of sample %d is %v, its target says %v",
							test.name, seed, i, mean, want)
					}
					if total := targets[i*b+i] + targets[i*b+b-1-i]; math.Abs(float64(total)-1) > 1e-6 {
						t.Fatalf("%s, seed %d: target %d sums to %v", test.name, seed, i, total)
					}
				}
			}
		})
	}
}

func TestMixupDraws(t *testing.T) {
	count := func(m *Mixup) (plain, cut, blended int) {
		for seed := range uint64(2000) {
			images, _ := mixed(t, m, 2, 8, 8, 1, seed)
			first := images[:64]
			switch {
			case slices.Max(first) == 0:
				plain++ // λ = 1, or not mixed
			case slices.ContainsFunc(first, func(v float32) bool { return v != 0 && v != 1 }):
				blended++
			default:
				cut++
			}
		}
		return
	}
	within := func(what string, got int, want float64) {
		t.Helper()
		if math.Abs(float64(got)/2000-want) > 0.05 {
			t.Errorf("%s: %d of 2000, want about %v", what, got, want*2000)
		}
	}
	m := &Mixup{MixupAlpha: 1, CutmixMinMax: &[2]float64{0.5, 0.9}, Prob: 0.6, SwitchProb: 0.25, Classes: 2}
	plain, cut, blended := count(m)
	within("unmixed", plain, 0.4)
	within("cutmix", cut, 0.6*0.25)
	within("mixup", blended, 0.6*0.75)
	m.Prob = 0
	if plain, _, _ := count(m); plain != 2000 {
		t.Errorf("with Prob 0, %d of 2000 batches are mixed", 2000-plain)
	}
}

func TestMinMaxBox(t *testing.T) {
	r := rng.New(1, rng.Mix)
	for range 2000 {
		b := minMaxBox(20, 10, [2]float64{0.3, 0.8}, r)
		if b.Height < 6 || b.Height >= 16 || b.Width < 3 || b.Width >= 8 ||
			b.Top < 0 || b.Left < 0 || b.Top+b.Height > 20 || b.Left+b.Width > 10 {
			t.Fatalf("box %+v", b)
		}
	}
	if b := minMaxBox(1, 1, [2]float64{0.3, 0.8}, r); b.Height != 0 || b.Width != 0 {
		t.Errorf("box of a 1×1 image: %+v", b)
	}
}

func TestMixupErrors(t *testing.T) {
	good := Mixup{MixupAlpha: 0.2, Prob: 1, Classes: 3}
	for _, c := range []struct {
		want   string
		change func(*Mixup)
	}{
		{"Prob is 1.5", func(m *Mixup) { m.Prob = 1.5 }},
		{"SwitchProb is NaN", func(m *Mixup) { m.SwitchProb = math.NaN() }},
		{"MixupAlpha is -1", func(m *Mixup) { m.MixupAlpha = -1 }},
		{"CutmixAlpha is +Inf", func(m *Mixup) { m.CutmixAlpha = math.Inf(1) }},
		{"CutmixMinMax is [1 0.5]", func(m *Mixup) { m.CutmixMinMax = &[2]float64{1, 0.5} }},
		{"Classes is 0", func(m *Mixup) { m.Classes = 0 }},
		{"smoothing is 2", func(m *Mixup) { m.Smoothing = 2 }},
	} {
		t.Run(c.want, func(t *testing.T) {
			m := good
			c.change(&m)
			datatest.WantError(t, m.Validate(), c.want)
		})
	}
	apply := func(m Mixup, b int, labels []int, targets int) error {
		return m.Apply(make([]float32, b*4), b, 2, 2, 1, labels, make([]float32, targets), rng.New(1, rng.Mix))
	}
	datatest.WantError(t, apply(good, 3, []int{0, 1, 2}, 9), "3 samples cannot be mixed")
	datatest.WantError(t, apply(good, 2, []int{0, 3}, 6), "label 3 of sample 1")
	datatest.WantError(t, apply(good, 2, []int{0, -1}, 6), "label -1 of sample 1")
	datatest.WantError(t, apply(good, 2, []int{0, 1}, 7), "7 target values")
	datatest.WantError(t, apply(good, 2, []int{0, 1, 2}, 6), "3 labels")
	if err := apply(Mixup{Prob: 1, Classes: 3}, 3, []int{0, 1, 2}, 9); err != nil {
		t.Errorf("an odd batch that is not mixed: %v", err)
	}
}
