package ops

import (
	"errors"
	"fmt"

	"fasternet/kernels"
)

// packing is one of the ways in which a weight enters a matrix product. A weight [out, in, kh, kw]
// counts as the matrix [out, kh·kw·in], the order of the values of a patch of an NHWC map.
type packing struct {
	use     PackUse
	row     int // of the kernel, for packRow
	in      kernels.Precision
	kernels *kernels.Set // set by Tape.pack
}

// PackUse is the product for which a weight is packed.
type PackUse int

// The products. The two others of this package pack parts of a weight.
const (
	PackForward PackUse = iota // y = x·Wᵀ
	PackInput                  // dx = dy·W
	packRow                    // dx = dy·W for one row of a patch
	packAdjoint                // dx of a 3×3 convolution with padding
)

// PackWeight returns a weight [out, in] or [out, in, kh, kw] in the order in which the products of
// package kernels read it, as a matrix [out, kh·kw·in]: t.Kernels().Gemm(y, 1, x, packed, …). Call
// it where the op is recorded, and use the result in Run. All graphs share it. Before every run it
// is packed again if [Param.Changed] was called.
func (t *Tape) PackWeight(p *Param, use PackUse, in kernels.Precision) (*kernels.Packed, error) {
	if p == nil {
		return nil, errors.New("ops: PackWeight of a nil weight")
	}
	if use != PackForward && use != PackInput {
		return nil, fmt.Errorf("ops: %s: a pack for use %d, want PackForward or PackInput", p.Name, use)
	}
	if n := p.Shape().Dims(); n != 2 && n != 4 {
		return nil, fmt.Errorf("ops: %s: a pack of a weight %v, want [out, in] or [out, in, height, width]",
			p.Name, p.Shape())
	}
	return t.pack(p, packing{use: use, in: in}).Packed, nil
}

// pack is a packed copy of a weight. All graphs share it.
type pack struct {
	*kernels.Packed
	param      *Param
	how        packing
	rows, cols int
	memory     []float32 // of the packed copy; nil until a graph that uses it is planned
	version    int       // of the weight that was packed
	stale      bool
	// The weights of a convolution in the order of the product; nil if the checkpoint has the same
	// order.
	reordered []float32
}

// reorderParts is the number of tasks that reorder a weight, for up to as many workers.
const reorderParts = 16

// pack returns the pack of a weight, which is updated before every run of the graph.
func (t *Tape) pack(p *Param, how packing) *pack {
	how.kernels = t.kernels
	if t.sketch {
		return &pack{Packed: &kernels.Packed{Kernels: how.kernels, Precision: how.in}, param: p, how: how}
	}
	q := p.packs[how]
	if q == nil {
		q = newPack(p, how)
		if p.packs == nil {
			p.packs = map[packing]*pack{}
		}
		p.packs[how] = q
	}
	t.packs = append(t.packs, q)
	return q
}

func newPack(p *Param, how packing) *pack {
	q := &pack{param: p, how: how, version: p.version - 1}
	out, in, kh, kw := p.dims()
	if kh*kw > 1 {
		q.reordered = make([]float32, p.Size())
	}
	q.Packed = &kernels.Packed{Kernels: how.kernels, Precision: how.in}
	switch how.use {
	case PackInput:
		q.rows, q.cols = out, kh*kw*in
	case packRow:
		q.rows, q.cols = out, kw*in
	case PackForward, packAdjoint:
		q.rows, q.cols = kh*kw*in, out
	default:
		panic(fmt.Sprintf("ops: a pack for use %d", how.use))
	}
	return q
}

// dims reads the shape of a weight [out, in] or [out, in, kh, kw].
func (p *Param) dims() (out, in, kh, kw int) {
	s := p.Shape()
	if len(s) == 4 {
		return s[0], s[1], s[2], s[3]
	}
	return s[0], s[1], 1, 1
}

// reorder does a part of the reordering.
func (q *pack) reorder(part int) {
	out, in, kh, kw := q.param.dims()
	from, to := part*out/reorderParts, (part+1)*out/reorderParts
	defer q.how.kernels.Begin().End(kernels.Work{Kind: kernels.Packing}, 2*4*(to-from)*in*kh*kw)
	if q.how.use == packAdjoint {
		kernels.PConv{Channels: out}.Adjoint(q.reordered, q.param.Data(), from, to)
		return
	}
	n := in * kh * kw
	kernels.ToChannelsLast(q.reordered[from*n:to*n], q.param.Data()[from*n:to*n], to-from, in, kh*kw)
}

func (q *pack) panel(i int) {
	out, in, kh, kw := q.param.dims()
	m := kernels.NewMatrix(q.param.Data(), out, kh*kw*in)
	if q.reordered != nil {
		m.Data = q.reordered
	}
	switch q.how.use {
	case PackInput:
		q.PackPanel(i, m)
	case packRow:
		q.PackPanel(i, m.Columns(q.how.row*kw*in, (q.how.row+1)*kw*in))
	case PackForward, packAdjoint:
		q.PackPanelTransposed(i, m)
	default:
		panic(fmt.Sprintf("ops: a pack for use %d", q.how.use))
	}
}

// packJob is a part of the work of updating a pack.
type packJob struct {
	*pack
	part int
}

// placePacks gives memory to the packs of the graph that have none. It is one piece, in the order
// of their use. A large piece lies in pages of 2 MiB, for which most single weights are too small.
// With pages of 4 KiB, address translation takes 2 % of the time of products at batch 1.
func (t *Tape) placePacks() {
	size := 0
	var fresh []*pack
	counted := map[*pack]bool{}
	for _, q := range t.packs {
		if q.memory == nil && !counted[q] {
			counted[q] = true
			fresh = append(fresh, q)
			size += q.size()
		}
	}
	piece := scratch{kernels.Aligned(size)}
	for _, q := range fresh {
		q.memory = piece.vector(q.size())
		q.Resize(q.rows, q.cols, q.memory)
	}
}

// size returns the number of values of a pack, padded to a whole cache line.
func (q *pack) size() int {
	return (q.how.kernels.PackedLen(q.rows, q.cols, q.how.in) + 15) / 16 * 16
}

// planPacks gives memory to the packs of the graph, and lists their jobs.
func (t *Tape) planPacks() {
	t.placePacks()
	seen := map[*pack]bool{}
	for _, q := range t.packs {
		if seen[q] {
			continue
		}
		seen[q] = true
		if q.reordered != nil {
			for i := range reorderParts {
				t.reorders = append(t.reorders, packJob{q, i})
			}
		}
		for i := range q.Panels() {
			t.panels = append(t.panels, packJob{q, i})
		}
	}
	t.reorderTask = func(_, i int) {
		if j := t.reorders[i]; j.stale {
			j.reorder(j.part)
		}
	}
	t.panelTask = func(_, i int) {
		if j := t.panels[i]; j.stale {
			j.panel(j.part)
		}
	}
}

// updatePacks packs the weights that have changed since they were last packed.
func (t *Tape) updatePacks() {
	any := false
	for _, q := range t.packs {
		q.stale = q.version != q.param.version
		any = any || q.stale
	}
	if !any {
		return
	}
	t.Pool().Run(len(t.reorders), t.reorderTask)
	t.Pool().Run(len(t.panels), t.panelTask)
	for _, q := range t.packs {
		q.version = q.param.version
	}
}
