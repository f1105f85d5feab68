package localmim

import (
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/graph/swin"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// swinEncoder: a unit is so large that no token of any stage belongs to two, and attention goes
// over the visible tokens of a window.
func swinEncoder() Encoder {
	return Encoder{
		Family:  swin.Name,
		New:     newVisibleSwin,
		NormEps: func(m configs.Model) float64 { return archOf[swin.Config](m).NormEps },
		Prefix:  "encoder.",
		Tap:     "stage",
		Draw:    DrawPermutation,
		NewHead: LinearHead,
		Reorder: swapNeighbours,
	}
}

// visibleSwin is a Swin without classifier. Its visible tokens are in the order of the units, so
// the tokens of a unit are a small map, and merging works within it.
type visibleSwin struct {
	taps     []int
	unit     int  // tokens along a side of a unit in the first stage
	official bool // places of the tokens after a merging as in the published code
	embed    *layers.TokenEmbed
	stages   []swin.Stage
}

func newVisibleSwin(s *layers.Store, c *configs.Config) (Backbone, error) {
	m, err := configs.ArchOf[swin.Config](c.Model)
	if err != nil {
		return nil, err
	}
	chans, eps := c.Model.InChans, 0.0
	if m.PatchNorm {
		eps = m.NormEps
	}
	e := &visibleSwin{taps: c.MIM.Taps, unit: c.MIM.MaskUnit / m.PatchSize, official: c.MIM.Coordinates == "official"}
	e.embed = layers.NewTokenEmbed(
		s, chans, m.EmbedDim, m.PatchSize, layers.Xavier, layers.FanIn(chans*m.PatchSize*m.PatchSize), eps,
	)
	if e.stages, err = swin.NewStages(s, m, c.Model.DropPathRate, c.Data.ImageSize, layers.Xavier); err != nil {
		return nil, err
	}
	if c.MIM.MergeOrder == "official" {
		for _, stage := range e.stages {
			if stage.Merge != nil {
				stage.Merge.Order = ops.RasterOrder
			}
		}
	}
	return e, nil
}

// Forward implements [Backbone].
func (e *visibleSwin) Forward(p *layers.Pass, images *gorgonia.Node, v *Visible) ([]*gorgonia.Node, error) {
	x, err := e.embed.Forward(p, images)
	if err != nil {
		return nil, err
	}
	c, r := x.Shape()[3], e.unit
	x, err = ops.SelectTokens(p.Tape, x, ops.Selection{
		Name:   "visible",
		Index:  v.Select(r),
		Images: v.Images,
		Shape:  tensor.Shape{v.Images * v.Units, r, r, c},
	})
	if err != nil {
		return nil, err
	}
	var taps []*gorgonia.Node
	for i, stage := range e.stages {
		windows := e.windowsOf(v, i).windows
		for j, b := range stage.Blocks {
			if x, err = b.Forward(p, x, windows[j%2]); err != nil {
				return nil, err
			}
		}
		if stage.Merge != nil {
			if x, err = stage.Merge.Forward(p, x); err != nil {
				return nil, err
			}
		}
		if k := slices.Index(e.taps, i+1); k >= 0 {
			var tap *gorgonia.Node
			if x, tap, err = branch(p, k, x, i+1 == len(e.stages)); err != nil {
				return nil, err
			}
			taps = append(taps, tap)
		}
	}
	return taps, nil
}

// stageWindows are the windows of a stage: unshifted ones, and shifted ones for every second block.
type stageWindows struct {
	rows, cols []int32 // places of all visible tokens on the map of the whole image
	windows    [2]*ops.Windows
}

// windowsOf makes the windows of a stage, which follow the visible units.
func (e *visibleSwin) windowsOf(v *Visible, stage int) *stageWindows {
	unit := e.unit >> stage
	grid, n := v.Side*unit, v.Tokens(unit)
	s := e.stages[stage]
	shift := s.Shift(grid, grid)
	w := &stageWindows{rows: make([]int32, v.Images*n), cols: make([]int32, v.Images*n)}
	w.windows[0] = ops.VisibleWindows(v.Images, n, [2]int{grid, grid}, s.Side)
	w.windows[1] = w.windows[0]
	if shift > 0 {
		w.windows[1] = ops.VisibleWindows(v.Images, n, [2]int{grid, grid}, s.Side)
	}
	v.OnChange(func() error {
		for image := range v.Images {
			rows, cols := w.rows[image*n:][:n], w.cols[image*n:][:n]
			if e.official && stage > 0 {
				officialPlaces(rows, cols, v.Kept(image), unit, grid)
				continue
			}
			v.EachToken(image, unit, func(n, row, col int) { rows[n], cols[n] = int32(row), int32(col) })
		}
		rows, cols := w.rows, w.cols
		if v.Same() {
			rows, cols = rows[:n], cols[:n]
		}
		if err := w.windows[0].Regroup(rows, cols, 0); err != nil || shift == 0 {
			return err
		}
		return w.windows[1].Regroup(rows, cols, shift)
	})
	return w
}

// officialPlaces returns the places of the published code after a merging: it reads the number of a
// token in the order of the units as a number in raster order.
func officialPlaces(rows, cols, units []int32, unit, grid int) {
	r := unit * unit
	for i, u := range units {
		for j := range r {
			t := int(u)*r + j
			rows[i*r+j], cols[i*r+j] = int32(t/grid), int32(t%grid)
		}
	}
}

// swapNeighbours swaps the second and the third of the four neighbours in the inputs of patch
// merging. That converts the order of the published classifiers to the order of the published
// pre-training, and back.
func swapNeighbours(name string, shape []int, values []float32) []float32 {
	if !strings.Contains(name, ".downsample.") || values == nil || len(shape) == 0 {
		return values
	}
	width := shape[len(shape)-1]
	if width%4 != 0 || width == 0 {
		return values
	}
	data, c := slices.Clone(values), width/4
	for row := 0; row < len(data); row += width {
		for j := range c {
			a, b := row+c+j, row+2*c+j
			data[a], data[b] = data[b], data[a]
		}
	}
	return data
}
