package vit

import "fasternet/graph"

// Int8Units implements [graph.Int8Model].
func (m *Model) Int8Units() []graph.Int8Unit {
	units := []graph.Int8Unit{graph.EmbedUnit(m.embed)}
	for _, b := range m.blocks {
		units = append(units, graph.TransformerUnits(b)...)
	}
	features := m.finalNorm() // the source of the classifier's input
	if m.Arch().GlobalPool && m.Arch().NormBeforePool {
		features = pool
	}
	head := graph.LinearUnit(m.head.Weight, m.head.Bias, features, &m.head.Int8)
	head.Op = head.Name
	return append(units, head)
}

// SetInt8 implements [graph.Int8Model].
func (m *Model) SetInt8(s *graph.Int8State) error { return m.SetUnits(m.Int8Units(), s) }
