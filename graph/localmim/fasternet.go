package localmim

import (
	"slices"

	"fasternet/configs"
	"fasternet/graph/fasternet"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// fasternetEncoder: patches do not overlap, so a unit is a small map of its own, except that the
// partial convolutions see the visible units around it. The published LocalMIM has no convolutional
// encoder: this one is ours.
func fasternetEncoder() Encoder {
	return Encoder{
		Family:     fasternet.Name,
		New:        newVisibleFasterNet,
		NormEps:    func(configs.Model) float64 { return 1e-6 },
		Prefix:     "encoder.",
		Tap:        "stage",
		Draw:       DrawPermutation,
		NewHead:    ConvHead,
		MaskedOnly: true,
		Fresh:      func(name string) bool { return hasPrefix(name, "avgpool_pre_head.", "head.") },
	}
}

// visibleFasterNet is a FasterNet without classifier. A map has the pixels of one visible unit
// after the other, each unit as a small map: [images·units, side, side, C].
type visibleFasterNet struct {
	fasternet.Backbone
	taps     []int
	unit     int  // pixels of the image along a side of a unit
	isolated bool // a convolution sees zeros around a unit, whatever is visible there
}

func newVisibleFasterNet(s *layers.Store, c *configs.Config) (Backbone, error) {
	m, err := configs.ArchOf[fasternet.Config](c.Model)
	if err != nil {
		return nil, err
	}
	e := &visibleFasterNet{taps: c.MIM.Taps, unit: c.MIM.MaskUnit, isolated: c.MIM.Border == "zero"}
	e.Backbone, err = fasternet.NewBackbone(s, m, c.Model)
	return e, err
}

// Forward implements [Backbone].
func (e *visibleFasterNet) Forward(p *layers.Pass, images *gorgonia.Node, v *Visible) ([]*gorgonia.Node, error) {
	p.Units = &ops.Units{PerImage: v.Units}
	if whole := v.Units == v.Side*v.Side; whole || !e.isolated {
		p.Units = v.Around()
	}
	defer func() { p.Units = nil }()
	kept := v.List()
	x, err := p.Block(e.Embed().Name, func() (*gorgonia.Node, error) {
		units, err := ops.CutUnits(p.Tape, "visible", images, kept, e.unit)
		if err != nil {
			return nil, err
		}
		return e.Embed().Forward(p, units)
	})
	if err != nil {
		return nil, err
	}
	var taps []*gorgonia.Node
	for i, stage := range e.Stages() {
		for _, b := range stage {
			if x, err = b.Forward(p, x); err != nil {
				return nil, err
			}
		}
		if i < len(e.Merges()) {
			merge := e.Merges()[i]
			x, err = p.Block(merge.Name, func() (*gorgonia.Node, error) { return merge.Forward(p, x) })
			if err != nil {
				return nil, err
			}
		}
		if k := slices.Index(e.taps, i+1); k >= 0 {
			var tap *gorgonia.Node
			if x, tap, err = branch(p, k, x, i+1 == len(e.Stages())); err != nil {
				return nil, err
			}
			taps = append(taps, tap)
		}
	}
	return taps, nil
}
