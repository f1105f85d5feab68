package localmim

import (
	"fasternet/graph"
	"fasternet/ops"
)

// Count lists what the parts cost for one masked image: the encoder on its visible
// tokens, the decoders on all. Attention of a Swin is counted as if every window were
// full: how many of its tokens are visible changes from mask to mask.
func (m *Model) Count() ([]graph.LayerCount, error) {
	p, err := m.program(ops.NewSketch(), shape{batch: 1}, false)
	if err != nil {
		return nil, err
	}
	return graph.CountsOf(p.tape.Recorded()), nil
}
