package graph

import "fmt"

// Count lists what the layers cost for one masked image: the encoder on its
// visible tokens, the decoders on all.
func (m *LocalMIM) Count() []LayerCount {
	c := m.config.Model
	v := newVisible(m.config, 1, m.encoder.classes())
	var counts []LayerCount
	if c.Name == "swin" {
		counts = m.countSwin(v)
	} else {
		counts = m.countViT(v)
	}
	for k, s := range m.scales {
		counts = append(counts, LayerCount{Name: fmt.Sprintf("norm.%d", k), Height: s.Tokens, Width: s.Tokens, Channels: s.Dim, Parameters: 2 * s.Dim})
	}
	for k, d := range m.decoders {
		counts = append(counts, d.count(m, v.class+v.units*v.taps[k]*v.taps[k]))
	}
	return counts
}

func (m *LocalMIM) countViT(v *visible) []LayerCount {
	c, size := m.config.Model, m.config.Data.ImageSize
	counts := countViT(c, [2]int{0, 0}, size, size)
	counts = counts[:len(counts)-1]   // the classifier
	counts[1].Parameters = c.EmbedDim // the class token: positions are fixed
	tokens := v.class + v.tokens(0)
	for i := range c.Depth {
		b := transformerCount(counts[2+i].Name, c, c.EmbedDim, tokens, tokens, c.NumHeads[0])
		b.Height, b.Width = 1, tokens
		counts[2+i] = b
	}
	return counts
}

// countSwin counts attention as if every window were full: how many of its tokens
// are visible changes from mask to mask.
func (m *LocalMIM) countSwin(v *visible) []LayerCount {
	c, size := m.config.Model, m.config.Data.ImageSize
	sides := windowSides(c, size)
	counts := countSwin(c, sides, size, size)
	counts = counts[:len(counts)-1]
	at := 1
	for i, dim := range c.StageDims() {
		tokens := v.tokens(i)
		for range c.Depths[i] {
			b := &counts[at]
			own := transformerCount(b.Name, c, dim, tokens, min(sides[i]*sides[i], tokens), c.NumHeads[i])
			own.Height, own.Width, own.Parameters = 1, tokens, b.Parameters // with the table of position bias
			*b = own
			at++
		}
		if i+1 < len(c.Depths) {
			b := &counts[at]
			b.Height, b.Width = 1, v.tokens(i+1)
			b.MACs, b.Activations = v.tokens(i+1)*8*dim*dim, v.tokens(i+1)*2*dim
			at++
		}
	}
	return counts
}

// count is the cost of a decoder that gets some tokens.
func (d *localDecoder) count(m *LocalMIM, tokens int) LayerCount {
	c, s := m.config.Model, d.scale
	c.MLPRatio, c.QKVBias = m.config.MIM.DecoderMLPRatio, true
	all := d.class + s.Tokens*s.Tokens
	n := LayerCount{Name: d.name, Height: s.Grid, Width: s.Grid, Channels: s.Values}
	n.Parameters = d.maskToken.Size() + d.embed.weight.Size() + d.embed.bias.Size() + 2*s.DecoderDim
	n.MACs, n.Activations = tokens*d.embed.weight.Size(), tokens*s.DecoderDim
	for range d.blocks {
		b := transformerCount("", c, s.DecoderDim, all, all, m.config.MIM.DecoderHeads)
		n.Parameters += b.Parameters
		n.MACs += b.MACs
		n.Activations += b.Activations
		n.AttentionMACs += b.AttentionMACs
		n.AttentionActivations += b.AttentionActivations
	}
	rows := s.Tokens * s.Tokens
	if s.Factor < 1 {
		rows = s.Grid * s.Grid
	}
	for _, h := range d.head {
		n.Parameters += h.Weight.Size() + h.Bias.Size()
		n.MACs += rows * h.Weight.Size()
		if h.Up {
			rows *= 4
		}
		n.Activations += rows * h.Bias.Size()
		if h.GELU {
			n.Parameters += h.Norm.Weight.Size() + h.Norm.Bias.Size()
		}
	}
	return n
}
