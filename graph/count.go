package graph

import (
	"cmp"
	"fmt"

	"fasternet/configs"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// LayerCount is the cost of a part of a model for one image.
type LayerCount struct {
	Name                    string
	Height, Width, Channels int // of the output
	Parameters              int
	ops.Cost
}

// Count lists the costs of the parts of a model for one image of that size, from the ops of its
// graph. It runs nothing.
func Count(m Model, height, width int) ([]LayerCount, error) {
	recorded, err := Record(m, height, width)
	if err != nil {
		return nil, err
	}
	return CountsOf(recorded), nil
}

// Record lists the operations of the forward pass of a model for one image of that size. The error
// says what does not fit.
func Record(m Model, height, width int) ([]ops.Recorded, error) {
	tape, err := sketch(m, height, width, nil)
	if err != nil {
		return nil, err
	}
	return tape.Recorded(), nil
}

// RecordUntil is Record for the operations that an intermediate value needs: see [Program.Feature].
func RecordUntil(m Model, height, width int, feature string) ([]ops.Recorded, error) {
	var node *gorgonia.Node
	tape, err := sketch(m, height, width, func(p *layers.Pass) {
		p.Tap = func(name string, n *gorgonia.Node) {
			if name == feature {
				node = n
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if node == nil {
		return nil, fmt.Errorf("graph: the model has no feature %q", feature)
	}
	return tape.RecordedUntil(node), nil
}

// sketch records the forward pass of a model for one image. prepare may change the pass, or be nil.
func sketch(m Model, height, width int, prepare func(*layers.Pass)) (tape *ops.Tape, err error) {
	defer func() { // Gorgonia panics instead of returning errors
		if v := recover(); v != nil {
			err = fmt.Errorf("building the graph: %v", v)
		}
		if err != nil {
			err = fmt.Errorf("graph: images of %d×%d pixels do not fit the model: %w", height, width, err)
		}
	}()
	tape = ops.NewSketch()
	images := tape.Input(Images, 1, height, width, m.Channels())
	pass := &layers.Pass{Tape: tape}
	if prepare != nil {
		prepare(pass)
	}
	_, err = m.Forward(pass, images)
	return tape, err
}

// CountsOf adds up the operations of each part of a model.
func CountsOf(recorded []ops.Recorded) []LayerCount {
	var counts []LayerCount
	at := map[string]int{}
	seen := map[*ops.Param]bool{}
	var grid [2]int // of the last map
	for _, r := range recorded {
		name := cmp.Or(r.Part, r.Name) // an op outside of all parts is a part itself
		i, ok := at[name]
		if !ok {
			i = len(counts)
			at[name] = i
			counts = append(counts, LayerCount{Name: name})
		}
		c := &counts[i]
		c.Add(r.Cost)
		for _, p := range r.Params {
			if !seen[p] {
				seen[p] = true
				c.Parameters += p.Size()
			}
		}
		switch s := r.Shape; len(s) {
		case 0, 1: // a loss
		case 4: // a map, or visible units
			c.Height, c.Width = s[1], s[2]
			if s[0] > 1 {
				c.Height, c.Width = 1, s[0]*s[1]*s[2]
			}
			grid, c.Channels = [2]int{c.Height, c.Width}, s[3]
		case 3: // tokens, possibly with a class token
			c.Height, c.Width, c.Channels = 1, s[1], s[2]
			if n := grid[0] * grid[1]; s[1] == n || s[1] == n+1 {
				c.Height, c.Width = grid[0], grid[1]
			}
		case 2:
			c.Height, c.Width, c.Channels = 1, 1, s[1]
		default: // as many rows of channels
			c.Channels = s[len(s)-1]
			c.Height, c.Width = 1, s.TotalSize()/s[0]/c.Channels
		}
	}
	kept := counts[:0]
	for _, c := range counts { // ops between the parts, such as branches and the loss, cost nothing
		if c.Parameters > 0 || c.Cost != (ops.Cost{}) {
			kept = append(kept, c)
		}
	}
	return kept
}

// Parameters returns the number of learned values of the model that a configuration describes for
// images of a size, without making it. Fixed position embeddings count too. The configuration must
// have passed the checks of package configs.
func Parameters(c configs.Model, imageSize int, folded bool) (int, error) {
	f, err := family(c)
	if err != nil {
		return 0, err
	}
	return f.parameters(c, imageSize, folded)
}

// Total adds the counts up.
func Total(counts []LayerCount) LayerCount {
	t := LayerCount{Name: "total"}
	for _, c := range counts {
		t.Parameters += c.Parameters
		t.Add(c.Cost)
	}
	return t
}

// MACsWithNorm counts batch norms and pools too, as the paper's Tab. 3 does.
func (c LayerCount) MACsWithNorm() int { return c.MACs + 2*c.NormElements + c.PoolElements }

// Folded returns the count of the layer after its batch norms and its layer scale are folded into
// the convolutions.
func (c LayerCount) Folded() LayerCount {
	c.Parameters -= c.Foldable
	c.Foldable, c.NormElements = 0, 0
	return c
}
