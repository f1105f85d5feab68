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

// In every mode a sample has the same share of its partner in its pixels and in its target. The
// mode says for how many samples there is one draw.
func TestMixModes(t *testing.T) {
	const b, h, w, c = 6, 12, 16, 2
	for _, mode := range []MixMode{"", MixBatch, MixPair, MixElem} {
		for _, test := range []struct {
			name string
			m    *Mixup
		}{
			{"mixup", &Mixup{MixupAlpha: 0.8, Prob: 1, Classes: b}},
			{"cutmix", &Mixup{CutmixAlpha: 1, Prob: 1, Classes: b}},
			{"min-max", &Mixup{CutmixMinMax: &[2]float64{0.2, 0.8}, Prob: 1, Classes: b}},
			{"both", &Mixup{MixupAlpha: 0.8, CutmixAlpha: 1, Prob: 0.7, SwitchProb: 0.5, Classes: b}},
		} {
			t.Run(test.name, func(t *testing.T) {
				test.m.Mode = mode
				shares := map[int]int{} // number of seeds by the number of different λ in a batch
				for seed := range uint64(60) {
					images, targets := mixed(t, test.m, b, h, w, c, seed)
					own := map[float32]bool{}
					for i := range b {
						sum := 0.0
						for _, v := range images[i*h*w*c:][:h*w*c] {
							sum += float64(v)
						}
						row := targets[i*b:][:b]
						own[row[i]] = true
						want := float64(row[i])*float64(i) + float64(row[b-1-i])*float64(b-1-i)
						if mean := sum / (h * w * c); math.Abs(mean-want) > 1e-5 {
							t.Fatalf("%s, %s, seed %d: mean of sample %d is %v, its target says %v",
								mode, test.name, seed, i, mean, want)
						}
						if mode != MixElem && math.Abs(float64(row[i]-targets[(b-1-i)*b+b-1-i])) > 0 {
							t.Fatalf("%s, %s: a sample and its partner have different λ", mode, test.name)
						}
					}
					shares[len(own)]++
				}
				most := map[MixMode]int{"": 1, MixBatch: 1, MixPair: b / 2, MixElem: b}[mode]
				for n := range shares {
					if n > most {
						t.Errorf("%s, %s: %d different λ in a batch", mode, test.name, n)
					}
				}
				if test.name == "mixup" && shares[most] < 50 {
					t.Errorf("%s: %d different λ in %d of 60 batches", mode, most, shares[most])
				}
			})
		}
	}
}

// One pair mixed as a batch of two and as a pair gives the same bits. In elem mode elements are
// mixed with their partners as these were before.
func TestMixModesAgree(t *testing.T) {
	for _, c := range []struct {
		name string
		m    *Mixup
	}{
		{"mixup", &Mixup{MixupAlpha: 0.8, Prob: 1, Classes: 2}},
		{"cutmix", &Mixup{CutmixAlpha: 1, Prob: 1, Classes: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(30) {
				c.m.Mode = MixBatch
				images, targets := mixed(t, c.m, 2, 9, 7, 3, seed)
				c.m.Mode = MixPair
				again, same := mixed(t, c.m, 2, 9, 7, 3, seed)
				if !slices.Equal(images, again) || !slices.Equal(targets, same) {
					t.Fatalf("%s, seed %d: a pair is not a batch of two", c.name, seed)
				}
			}
		})
	}
	a := randomTensor(1, 4*3*2)
	b := randomTensor(2, 4*3*2)
	x, y, row := slices.Clone(a), slices.Clone(b), make([]float32, 6)
	d, e := mixing{true, picture.Box{Top: 1, Left: 1, Height: 2, Width: 1}, 0.5}, mixing{lambda: 0.25}
	for k := range 4 {
		copy(row, x[k*6:])
		d.mixRow(x[k*6:][:6], y[k*6:][:6], k, 2)
		e.mixRow(y[k*6:][:6], row, k, 2)
	}
	for i := range a {
		row, col := i/6, i/2%3
		want := a[i]
		if (row == 1 || row == 2) && col == 1 {
			want = b[i]
		}
		if x[i] != want || y[i] != float32(0.25*b[i])+float32(0.75*a[i]) {
			t.Fatalf("value %d: %v and %v of %v and %v", i, x[i], y[i], a[i], b[i])
		}
	}
}

func randomTensor(seed uint64, n int) []float32 {
	r, x := rng.New(seed, rng.Bench), make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// Sample by sample, mixing gives the reference's batches.
func TestMixRowGolden(t *testing.T) {
	var want struct {
		Batches []struct {
			Kind   string
			Lam    float64
			Cy, Cx int
		}
	}
	golden.JSON(t, "mixup.json", &want)
	g := datatest.Goldens(t, "mixup.safetensors")
	for k, b := range want.Batches {
		shape, in := g.Floats(fmt.Sprintf("in/%d", k))
		_, out := g.Floats(fmt.Sprintf("out/%d", k))
		n, c, h, w := int(shape[0]), int(shape[1]), int(shape[2]), int(shape[3])
		d := mixing{lambda: b.Lam}
		if b.Kind == "cutmix" {
			box := cutmixBox(h, w, b.Lam, b.Cy, b.Cx)
			d = mixing{true, box, keptShare(box, h, w)}
		}
		images, got := golden.ToNHWC(in, n, c, h, w), golden.ToNHWC(in, n, c, h, w)
		for y := range n * h {
			partner := (n-1-y/h)*h + y%h
			d.mixRow(got[y*w*c:][:w*c], images[partner*w*c:][:w*c], y%h, c)
		}
		datatest.Near(t, fmt.Sprintf("out/%d", k), got, golden.ToNHWC(out, n, c, h, w), 0)
	}
}

func TestMixOffEpoch(t *testing.T) {
	opt := trainOptions()
	opt.Mix.OffEpoch, opt.Mix.Prob, opt.Mix.Mode = 2, 1, MixElem
	l := newLoader(t, newFakeSet(40), opt)
	opt.Mix = nil
	plain := newLoader(t, newFakeSet(40), opt)
	for epoch, off := range []bool{false, false, true, true} {
		got, want := batches(t, l, epoch, 0), batches(t, plain, epoch, 0)
		if slices.Equal(got[0].Images, want[0].Images) != off {
			t.Errorf("epoch %d: mixed is %v", epoch, off)
		}
		if off {
			smooth := make([]float32, 16)
			if err := SmoothTargets(smooth, got[0].Labels, 4, 0.1); err != nil {
				t.Fatal(err)
			}
			datatest.Near(t, "targets", got[0].Targets, smooth, 0)
		}
	}
	m := Mixup{Classes: 2, OffEpoch: -1}
	datatest.WantError(t, m.Validate(), "OffEpoch is -1")
	m = Mixup{Classes: 2, Mode: "half"}
	datatest.WantError(t, m.Validate(), `unknown Mixup.Mode "half"; use batch, pair or elem`)
}
