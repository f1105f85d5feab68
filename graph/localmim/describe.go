package localmim

import (
	"fmt"
	"strings"

	"fasternet/graph"
)

// Describe says in a line what the model is, what it sees and what it predicts. counts is the
// result of [Model.Count].
func (m *Model) Describe(counts []graph.LayerCount) string {
	c := m.config
	var grids []string
	for _, s := range m.scales {
		grids = append(grids, fmt.Sprintf("%d×%d cells after %s %d", s.Grid, s.Grid, m.encoder.Tap, s.Tap))
	}
	total := graph.Total(counts)
	return fmt.Sprintf("localmim of a %s: %d parameters with the decoders, %.3f GMACs at %d px; "+
		"%d of %d units of %d px visible; %s targets of %s",
		c.Model.Name, total.Parameters, float64(total.MACs)/1e9, c.Data.ImageSize,
		m.visible, m.side*m.side, c.MIM.MaskUnit, c.MIM.Target, strings.Join(grids, ", "))
}
