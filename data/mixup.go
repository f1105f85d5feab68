package data

import (
	"fmt"
	"math"
	"math/rand/v2"

	"fasternet/data/picture"

	"gonum.org/v1/gonum/stat/distuv"
)

// Mixup blends each sample of a batch with its partner, and their labels into soft targets.
// It uses mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018) or CutMix
// (Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with
// Localizable Features", 2019). The mode says how many samples share one draw of the
// method, its λ and its box. The partner of sample i is sample B−1−i.
//
// With both alphas 0 nothing is mixed and the targets are only smoothed.
type Mixup struct {
	Mode        MixMode // "" means MixBatch
	MixupAlpha  float64 // λ of mixup ~ Beta(alpha, alpha); 0 turns mixup off
	CutmixAlpha float64 // λ of CutMix ~ Beta(alpha, alpha); 0 turns CutMix off
	Prob        float64 // probability that a batch is mixed
	SwitchProb  float64 // probability of CutMix instead of mixup when both are on
	Smoothing   float64 // label smoothing, also of batches that are not mixed
	Classes     int     // width of the targets
	OffEpoch    int     // no mixing from this epoch on, counted from 0; 0 for never

	// CutmixMinMax turns CutMix on, with the sides of its box uniform in this share of the
	// image's; nil for none.
	CutmixMinMax *[2]float64
}

// Validate returns an error that names the first setting that is wrong.
func (m *Mixup) Validate() error {
	for _, p := range []struct {
		name  string
		value float64
	}{{"Prob", m.Prob}, {"SwitchProb", m.SwitchProb}} {
		if !(p.value >= 0 && p.value <= 1) {
			return fmt.Errorf("data: Mixup.%s is %v; a probability from 0 to 1 is needed", p.name, p.value)
		}
	}
	for _, a := range []struct {
		name  string
		value float64
	}{{"MixupAlpha", m.MixupAlpha}, {"CutmixAlpha", m.CutmixAlpha}} {
		if !(a.value >= 0) || math.IsInf(a.value, 1) {
			return fmt.Errorf("data: Mixup.%s is %v; 0 (off) or a positive number is needed", a.name, a.value)
		}
	}
	if s := m.CutmixMinMax; s != nil && !(0 <= s[0] && s[0] < s[1] && s[1] <= 1) {
		return fmt.Errorf("data: Mixup.CutmixMinMax is %v; 0 ≤ min < max ≤ 1 is needed", *s)
	}
	if m.OffEpoch < 0 {
		return fmt.Errorf("data: Mixup.OffEpoch is %d; 0 (never) or an epoch is needed", m.OffEpoch)
	}
	switch m.Mode {
	case "", MixBatch, MixPair, MixElem:
	default:
		return fmt.Errorf("data: unknown Mixup.Mode %q; use %s, %s or %s", string(m.Mode), MixBatch, MixPair, MixElem)
	}
	if m.Classes < 1 {
		return fmt.Errorf("data: Mixup.Classes is %d; at least 1 is needed", m.Classes)
	}
	return checkSmoothing(m.Smoothing)
}

// mixes reports whether batches can be mixed at all.
func (m *Mixup) mixes() bool {
	return m.Prob > 0 && (m.MixupAlpha > 0 || m.cuts())
}

// Mixes says whether the batches of an epoch, counted from 0, are mixed.
func (m *Mixup) Mixes(epoch int) bool { return m.mixes() && !m.off(epoch) }

func (m *Mixup) cuts() bool {
	return m.CutmixAlpha > 0 || m.CutmixMinMax != nil
}

// Apply mixes images [b, h, w, c] in place and writes the soft targets
// [b, Classes]. A batch of odd size is an error if mixing is on.
func (m *Mixup) Apply(images []float32, b, h, w, c int, labels []int, targets []float32, r *rand.Rand) error {
	_, err := m.apply(images, b, h, w, c, labelsOf(labels), targets, 0, r)
	return err
}

// labels are the labels of the samples of a batch.
type labels struct {
	one  []int   // class index
	many [][]int // class indices of samples with any number of labels; nil if there is one each
}

func labelsOf(one []int) labels { return labels{one: one} }

// blend writes the targets of samples that are mixed with their partners.
func (l labels) blend(targets []float32, classes int, smoothing float64, lambdas []float64) error {
	if l.many != nil {
		return blendLabelSets(targets, l.many, classes, smoothing, lambdas...)
	}
	return blendTargets(targets, l.one, classes, smoothing, lambdas...)
}

// apply is Apply for a share of a batch that consists of pairs. The first of them is pair
// number first of the whole batch. It returns what was drawn, once or for each sample.
func (m *Mixup) apply(
	images []float32, b, h, w, c int,
	of labels,
	targets []float32,
	first int,
	r *rand.Rand,
) ([]mixing, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if b < 1 || h < 1 || w < 1 || c < 1 || len(images) != b*h*w*c || len(of.one) != b {
		return nil, fmt.Errorf("data: a batch of shape [%d, %d, %d, %d] cannot have %d image values and %d labels",
			b, h, w, c, len(images), len(of.one))
	}
	draws := []mixing{{lambda: 1}}
	if m.mixes() {
		if b%2 != 0 {
			return nil, fmt.Errorf("data: a batch of %d samples cannot be mixed; "+
				"mixup and CutMix pair the samples, so use an even batch size", b)
		}
		var err error
		if draws, err = m.mix(images, b, h, w, c, first, r); err != nil {
			return nil, err
		}
	}
	lambdas := make([]float64, len(draws))
	for i, d := range draws {
		lambdas[i] = d.lambda
	}
	return draws, of.blend(targets, m.Classes, m.Smoothing, lambdas)
}

// off reports whether mixing is over in an epoch.
func (m *Mixup) off(epoch int) bool {
	return m.OffEpoch > 0 && epoch >= m.OffEpoch
}

// mixing is the result of one draw.
type mixing struct {
	cut    bool
	box    picture.Box // the part that comes from the partner, if cut
	lambda float64     // share of the sample itself in its label and, unless cut, in its pixels
}

// draw draws in this order: whether to mix, which method, λ, box.
func (m *Mixup) draw(h, w int, r *rand.Rand) mixing {
	if r.Float64() >= m.Prob {
		return mixing{lambda: 1}
	}
	if !m.cuts() || (m.MixupAlpha > 0 && r.Float64() >= m.SwitchProb) {
		return mixing{lambda: beta(m.MixupAlpha, r)}
	}
	var box picture.Box
	if m.CutmixMinMax != nil {
		box = minMaxBox(h, w, *m.CutmixMinMax, r)
	} else {
		lambda := beta(m.CutmixAlpha, r)
		cy := r.IntN(h)
		box = cutmixBox(h, w, lambda, cy, r.IntN(w))
	}
	return mixing{true, box, keptShare(box, h, w)}
}

// keptShare returns the λ of the labels in CutMix. They follow the pixels that were really
// exchanged, not the λ that was drawn.
func keptShare(box picture.Box, h, w int) float64 {
	return 1 - float64(box.Height*box.Width)/float64(h*w)
}

// beta draws from Beta(alpha, alpha).
func beta(alpha float64, r *rand.Rand) float64 {
	lambda := distuv.Beta{Alpha: alpha, Beta: alpha, Src: r}.Rand()
	if math.IsNaN(lambda) {
		// With a tiny alpha both gamma variates underflow to 0. As alpha → 0 the
		// distribution becomes a fair coin.
		return float64(r.IntN(2))
	}
	return lambda
}

// cutmixBox returns the box of area (1−λ)·h·w around (cy, cx), clamped to the image. A box
// of odd size loses a pixel.
func cutmixBox(h, w int, lambda float64, cy, cx int) picture.Box {
	side := math.Sqrt(1 - lambda)
	halfH, halfW := int(float64(h)*side)/2, int(float64(w)*side)/2
	y0, y1 := max(cy-halfH, 0), min(cy+halfH, h)
	x0, x1 := max(cx-halfW, 0), min(cx+halfW, w)
	return picture.Box{Top: y0, Left: x0, Height: y1 - y0, Width: x1 - x0}
}

// minMaxBox draws a box inside the image. Its sides are a share of the image's.
func minMaxBox(h, w int, share [2]float64, r *rand.Rand) picture.Box {
	side := func(n int) int {
		lo, hi := int(float64(n)*share[0]), int(float64(n)*share[1])
		return lo + r.IntN(max(hi-lo, 1))
	}
	box := picture.Box{Height: side(h), Width: side(w)}
	box.Top = r.IntN(h - box.Height + 1)
	box.Left = r.IntN(w - box.Width + 1)
	return box
}
