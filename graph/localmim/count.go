package localmim

import (
	"fasternet/graph"
	"fasternet/ops"
)

// Count lists the costs of the parts for one masked image: of the encoder for its visible tokens,
// of the decoders for all tokens. Attention of a Swin is counted as if every window were full,
// because the number of its visible tokens changes from mask to mask.
func (m *Model) Count() ([]graph.LayerCount, error) {
	p, err := m.program(ops.NewSketch(), shape{batch: 1}, false)
	if err != nil {
		return nil, err
	}
	return graph.CountsOf(p.tape.Recorded()), nil
}
