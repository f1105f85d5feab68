package localmim

import (
	"strings"

	"gorgonia.org/gorgonia"
)

// similarity measures how alike the hidden channels of a block are.
type similarity struct {
	stage int
	node  *gorgonia.Node // [images]
}

// addSimilarity keeps the similarity of a block. The name tells the stage: a block of
// "stages.2.blocks.0" belongs to the second stage, because the list also has the merging layers.
func (p *Program) addSimilarity() func(block string, n *gorgonia.Node) {
	var last string
	stages := 0
	return func(block string, n *gorgonia.Node) {
		if stage, _, _ := strings.Cut(block, ".blocks."); stages == 0 || stage != last {
			last = stage
			stages++
		}
		p.tape.Keep(n)
		p.similar = append(p.similar, similarity{stages - 1, n})
	}
}

// Similarity returns, for each stage of the encoder, the mean cosine over all pairs of hidden
// channels of a block, over its blocks and the images: near 1 if all channels have become the same.
// It is nil for an encoder without such channels. It computes the masked images of a batch as in an
// evaluation.
func (r *Runner) Similarity(batch int, b Masked) ([]float64, error) {
	p, err := r.program(shape{batch: batch, kind: ofChannels})
	if err != nil || len(p.similar) == 0 {
		return nil, err
	}
	if err := p.start(b); err != nil {
		return nil, err
	}
	stages := make([]float64, p.similar[len(p.similar)-1].stage+1)
	counts := make([]float64, len(stages))
	for _, s := range p.similar {
		for _, v := range p.tape.Value(s.node) {
			stages[s.stage] += float64(v)
			counts[s.stage]++
		}
	}
	for i := range stages {
		stages[i] /= counts[i]
	}
	return stages, nil
}
