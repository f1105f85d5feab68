package vit

import (
	"fmt"
	"math"

	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"
)

// Blocks returns the number of blocks.
func (m *Model) Blocks() int { return len(m.blocks) }

// UntilBlock returns the model that ends with a block, counted from 1, and has the same parameters. Its
// logits mean nothing; it is for [Model.AttentionMaps], which shows the last block. It returns an error if
// there is no such block.
func (m *Model) UntilBlock(block int) (graph.Model, error) {
	if block < 1 || block > len(m.blocks) {
		return nil, fmt.Errorf("want a block from 1 to %d, got %d", len(m.blocks), block)
	}
	short := *m
	short.blocks = m.blocks[:block]
	return &short, nil
}

// AttentionMaps shows where the last block of a ViT looks, for the tokens that it gets (the feature
// [layers.Tokens] of a program, [images, 1 + patches, C]). It returns the probabilities with which
// each head reads the patches, [images, heads, patches]: for the class token or, if the classifier
// takes the mean over the patches, their mean over the patches. Reading the class token makes up
// the rest of the sum of 1. It computes with k.
func (m *Model) AttentionMaps(k *kernels.Set, tokens []float32, images int) ([]float32, error) {
	c := m.Arch().EmbedDim
	if images < 1 || len(tokens)%(images*c) != 0 || len(tokens) < 2*images*c {
		return nil, fmt.Errorf("vit: %d values are not the tokens of %d images in %d channels", len(tokens), images, c)
	}
	n := len(tokens) / images / c
	a := &m.blocks[len(m.blocks)-1].Attention
	depth := c / a.Heads
	first, readers := 0, 1 // the class token
	if m.Arch().GlobalPool {
		first, readers = 1, n // the tokens after it
	}
	out := make([]float32, images*a.Heads*(n-1))
	x := kernels.NewMatrix(make([]float32, n*c), n, c)
	queries := kernels.NewMatrix(make([]float32, readers*c), readers, c)
	keys := kernels.NewMatrix(make([]float32, n*c), n, c)
	scores := kernels.NewMatrix(make([]float32, readers*n), readers, n)
	packed := kernels.Packed{Kernels: k}
	for image := range images {
		normalise(x, tokens[image*n*c:][:n*c], a)
		project(k, queries, x.Slice(0, readers), a, 0, &packed)
		project(k, keys, x, a, 1, &packed)
		for head := range a.Heads {
			from, to := head*depth, (head+1)*depth
			packed.Resize(depth, n, make([]float32, k.PackedLen(depth, n, kernels.FP32)))
			packed.PackTransposed(keys.Columns(from, to))
			k.Gemm(scores, float32(1/math.Sqrt(float64(depth))), queries.Columns(from, to), &packed, kernels.Matrix{})
			k.SoftmaxRows(scores)
			mean := out[(image*a.Heads+head)*(n-1):][:n-1]
			for i := first; i < readers; i++ {
				for j, p := range scores.Row(i)[1:n] {
					mean[j] += p / float32(readers-first)
				}
			}
		}
	}
	return out, nil
}

// normalise writes the layer norm of tokens.
func normalise(dst kernels.Matrix, tokens []float32, a *layers.Attention) {
	weight, bias, c := a.Norm.Weight.Data(), a.Norm.Bias.Data(), dst.Cols
	for i := range dst.Rows {
		x, y := tokens[i*c:][:c], dst.Row(i)
		var mean, squares float64
		for _, v := range x {
			mean += float64(v) / float64(c)
		}
		for _, v := range x {
			squares += (float64(v) - mean) * (float64(v) - mean)
		}
		scale := 1 / math.Sqrt(squares/float64(c)+a.Norm.Eps)
		for j, v := range x {
			y[j] = float32((float64(v)-mean)*scale)*weight[j] + bias[j]
		}
	}
}

// project writes part p (queries, keys or values) of tokens.
func project(k *kernels.Set, dst, x kernels.Matrix, a *layers.Attention, p int, packed *kernels.Packed) {
	c := dst.Cols
	weights := kernels.NewMatrix(a.QKV.Data()[p*c*c:(p+1)*c*c], c, c)
	packed.Resize(c, c, make([]float32, k.PackedLen(c, c, kernels.FP32)))
	packed.PackTransposed(weights)
	var bias kernels.Matrix
	if a.QKVBias != nil {
		bias = kernels.Broadcast(a.QKVBias.Data()[p*c:(p+1)*c], dst.Rows)
	}
	k.Gemm(dst, 1, x, packed, bias)
}
