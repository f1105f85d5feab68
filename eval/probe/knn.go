package probe

import (
	"context"
	"fmt"
	"math"
	"slices"

	"fasternet/kernels"
)

// Temperature is the temperature of DINO's k-NN evaluation (Caron et al., 2021).
const Temperature = 0.07

// Neighbours are the numbers of neighbours in DINO's k-NN evaluation.
var Neighbours = []int{10, 20, 100, 200}

// KNNOptions say how [KNN] votes.
type KNNOptions struct {
	K           []int   // numbers of neighbours
	Temperature float64 // of the votes
	Progress    func(done, total int)
}

// Votes is the accuracy with the votes of K neighbours.
type Votes struct {
	K    int     `json:"k"`
	Top1 float64 `json:"top1"` // percent
	Top5 float64 `json:"top5"` // percent; with fewer than five neighbours or classes, all of them count
}

const (
	queryRows   = 64   // validation images per task
	galleryRows = 4096 // training images that are packed at a time
)

// KNN classifies validation images by their nearest training images. Features are scaled to
// length 1, the k images with the largest cosine s vote for their class with weight exp(s/T),
// and the class with the most votes wins. Of equal images and classes the first counts. A
// class without a vote is not an answer, so k neighbours give at most k answers.
//
// It computes the similarities of some images at a time, never all at once.
func KNN(ctx context.Context, pool *kernels.Pool, train, val *Set, o KNNOptions) ([]Votes, error) {
	if err := match(train, val); err != nil {
		return nil, err
	}
	if !(o.Temperature > 0) || math.IsInf(o.Temperature, 1) {
		return nil, fmt.Errorf("probe: temperature %v: want more than 0", o.Temperature)
	}
	if len(o.K) == 0 {
		return nil, fmt.Errorf("probe: no number of neighbours: want one or more")
	}
	ks := slices.Clone(o.K)
	slices.Sort(ks)
	ks = slices.Compact(ks)
	switch most := ks[len(ks)-1]; {
	case ks[0] < 1:
		return nil, fmt.Errorf("probe: %d neighbours: want 1 or more", ks[0])
	case most > train.Len():
		return nil, fmt.Errorf("probe: %d neighbours, but there are only %d training images: want fewer neighbours",
			most, train.Len())
	}
	found, err := nearest(ctx, pool, train, val, ks[len(ks)-1], o.Progress)
	if err != nil {
		return nil, err
	}
	return count(found, train, val, ks, o.Temperature), nil
}

// nearest finds the k training images that are most similar to each validation image, the
// most similar first.
func nearest(ctx context.Context, pool *kernels.Pool, train, val *Set, k int,
	progress func(done, total int)) ([][]neighbour, error) {
	gallery, queries := unit(pool, train), unit(pool, val)
	compute, chunk := pool.Kernels(), min(galleryRows, train.Len())
	packed := compute.NewPacked(train.Width, chunk, kernels.FP32)
	room := kernels.Aligned(compute.PackedLen(train.Width, chunk, kernels.FP32))
	scratch := make([][]float32, pool.Workers())
	for i := range scratch {
		scratch[i] = kernels.Aligned(queryRows * chunk)
	}
	heaps := make([]heap, val.Len())
	for from := 0; from < train.Len(); from += chunk {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := gallery.Slice(from, min(from+chunk, train.Len()))
		packed.Resize(train.Width, rows.Rows, room)
		pool.Run(packed.Panels(), func(_, i int) { packed.PackPanelTransposed(i, rows) })
		pool.Run((val.Len()+queryRows-1)/queryRows, func(worker, task int) {
			first := task * queryRows
			q := queries.Slice(first, min(first+queryRows, val.Len()))
			similar := kernels.NewMatrix(scratch[worker], q.Rows, rows.Rows)
			compute.Gemm(similar, 1, q, packed, kernels.Matrix{})
			for i := range q.Rows {
				heaps[first+i].offer(similar.Row(i), from, k)
			}
		})
		if progress != nil {
			progress(from+rows.Rows, train.Len())
		}
	}
	out := make([][]neighbour, len(heaps))
	pool.Run(len(heaps), func(_, i int) { out[i] = heaps[i].sorted() })
	return out, nil
}

// unit returns the features of a set, scaled to length 1. Features that are all zero stay zero.
func unit(pool *kernels.Pool, s *Set) kernels.Matrix {
	src, dst := s.matrix(), kernels.NewMatrix(kernels.Aligned(len(s.Values)), s.Len(), s.Width)
	pool.Run((s.Len()+queryRows-1)/queryRows, func(_, task int) {
		for i := task * queryRows; i < min((task+1)*queryRows, s.Len()); i++ {
			var sum float64
			for _, v := range src.Row(i) {
				sum += float64(v) * float64(v)
			}
			scale := 1 / max(math.Sqrt(sum), 1e-12)
			out := dst.Row(i)
			for c, v := range src.Row(i) {
				out[c] = float32(float64(v) * scale)
			}
		}
	})
	return dst
}

// count counts the votes of the neighbours. ks are in ascending order.
func count(found [][]neighbour, train, val *Set, ks []int, temperature float64) []Votes {
	top1, top5 := make([]int, len(ks)), make([]int, len(ks))
	votes := make([]float64, len(val.Classes))
	for i, neighbours := range found {
		for c := range votes {
			votes[c] = -1 // no vote: less than a vote that rounds to 0
		}
		best, used := float64(neighbours[0].similarity), 0
		for at, k := range ks {
			for ; used < k; used++ {
				n := neighbours[used]
				c := train.Labels[n.index]
				votes[c] = max(votes[c], 0) + math.Exp((float64(n.similarity)-best)/temperature)
			}
			switch rank := rankOfClass(votes, val.Labels[i]); {
			case rank == 0:
				top1[at]++
				top5[at]++
			case rank < 5:
				top5[at]++
			}
		}
	}
	out := make([]Votes, len(ks))
	for at, k := range ks {
		n := float64(len(found))
		out[at] = Votes{K: k, Top1: 100 * float64(top1[at]) / n, Top5: 100 * float64(top5[at]) / n}
	}
	return out
}

// rankOfClass returns the number of classes before it, or of all classes if it has no vote.
func rankOfClass(votes []float64, class int) int {
	own, rank := votes[class], 0
	if own < 0 {
		return max(len(votes), 5)
	}
	for c, v := range votes {
		if v > own || v == own && c < class {
			rank++
		}
	}
	return rank
}
