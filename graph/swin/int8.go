package swin

import "fasternet/graph"

// Int8Units implements [graph.Int8Model].
func (m *Model) Int8Units() []graph.Int8Unit {
	units := []graph.Int8Unit{graph.EmbedUnit(m.embed)}
	for _, s := range m.stages {
		for _, b := range s.Blocks {
			units = append(units, graph.TransformerUnits(b)...)
		}
		if s.Merge != nil {
			units = append(units, graph.MergingUnit(s.Merge))
		}
	}
	features := finalNorm // the source of the classifier's input
	if m.Arch().NormBeforePool {
		features = pool
	}
	head := graph.LinearUnit(m.head.Weight, m.head.Bias, features, &m.head.Int8)
	head.Op = head.Name
	return append(units, head)
}

// SetInt8 implements [graph.Int8Model].
func (m *Model) SetInt8(s *graph.Int8State) error { return m.SetUnits(m.Int8Units(), s) }
