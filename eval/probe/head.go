package probe

import (
	"math"

	"fasternet/checkpoints"
	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/formats"
	"fasternet/internal/rng"
	"fasternet/kernels"
	"fasternet/ops"
)

// Head is a batch norm without learned factors and a linear layer.
type Head struct {
	Mean, Var []float32 // running moments of the features
	Weight    []float32 // [classes, features]
	Bias      []float32 // [classes]
}

const (
	normEps      = 1e-6
	normMomentum = 0.1 // weight of a new batch in the running moments
	initStd      = 0.01
	blockRows    = 64 // images per task; a task sums over these
	blockCols    = 64 // features per task
)

// newHead draws the weights from a normal distribution; biases are 0.
func newHead(width, classes int, seed uint64) *Head {
	h := &Head{
		Mean: make([]float32, width), Var: make([]float32, width),
		Weight: kernels.Aligned(classes * width), Bias: make([]float32, classes),
	}
	for i := range h.Var {
		h.Var[i] = 1
	}
	r := rng.New(seed, rng.Init, rng.Hash("probe.weight"))
	for i := range h.Weight {
		h.Weight[i] = float32(initStd * r.NormFloat64())
	}
	return h
}

// Write writes the head to a safetensors file, under the names of
// Sequential(BatchNorm1d, Linear) as the head of a PyTorch model.
func (h *Head) Write(path string, meta map[string]string) error {
	k, d := len(h.Bias), len(h.Mean)
	return checkpoints.Write(path, checkpoints.File{Meta: meta, Tensors: []formats.Tensor{
		{Name: "head.0.running_mean", Shape: []int{d}, F32: h.Mean},
		{Name: "head.0.running_var", Shape: []int{d}, F32: h.Var},
		{Name: "head.1.weight", Shape: []int{k, d}, F32: h.Weight},
		{Name: "head.1.bias", Shape: []int{k}, F32: h.Bias},
	}})
}

// machine runs a head. It holds the memory for batches and gradients.
type machine struct {
	*Head
	pool           *kernels.Pool
	kernels        *kernels.Set      // of the pool
	packed         *kernels.Packed   // the weights, transposed
	x              kernels.Matrix    // [batch, features] of a batch, then normalised
	probs          kernels.Matrix    // [batch, classes]: then the gradient of the logits
	targets, raw   []kernels.Matrix  // [blockRows, classes], for each worker: one-hot labels; logits
	moments        []kernels.Moments // for each block of rows
	losses         []float64
	scale, shift   []float32    // of the norm
	params         []*ops.Param // the weights and the bias, whose memory the head shares
	gWeight, gBias []float32    // gradients
}

func newMachine(h *Head, pool *kernels.Pool, batch int) *machine {
	k, d := len(h.Bias), len(h.Mean)
	weight, bias := ops.NewParam("head.1.weight", k, d), ops.NewParam("head.1.bias", k)
	copy(weight.Data(), h.Weight)
	copy(bias.Data(), h.Bias)
	h.Weight, h.Bias = weight.Data(), bias.Data()
	m := &machine{
		Head: h, pool: pool, kernels: pool.Kernels(), packed: pool.Kernels().NewPacked(d, k, kernels.FP32),
		x:     kernels.NewMatrix(kernels.Aligned(batch*d), batch, d),
		probs: kernels.NewMatrix(kernels.Aligned(batch*k), batch, k),
		scale: make([]float32, d), shift: make([]float32, d),
		params: []*ops.Param{weight, bias}, gWeight: weight.GradData(), gBias: bias.GradData(),
	}
	for range pool.Workers() {
		m.targets = append(m.targets, kernels.NewMatrix(kernels.Aligned(blockRows*k), blockRows, k))
		m.raw = append(m.raw, kernels.NewMatrix(kernels.Aligned(blockRows*k), blockRows, k))
	}
	for range m.blocks(batch) {
		m.moments = append(m.moments, kernels.Moments{Mean: make([]float32, d), Dev: make([]float32, d)})
	}
	m.losses = make([]float64, len(m.moments))
	return m
}

func (m *machine) blocks(rows int) int { return (rows + blockRows - 1) / blockRows }

// block returns the rows of block i of x.
func block(x kernels.Matrix, i int) kernels.Matrix {
	return x.Slice(i*blockRows, min((i+1)*blockRows, x.Rows))
}

// gradients computes the mean cross entropy of a batch (all rows of x) and its gradients, and
// updates the running moments.
func (m *machine) gradients(s *Set, rows []int) (loss float64) {
	n := len(rows)
	x, probs := m.x.Slice(0, n), m.probs.Slice(0, n)
	values := s.matrix()
	m.pool.Run(m.blocks(n), func(_, i int) {
		b := block(x, i)
		for r := range b.Rows {
			copy(b.Row(r), values.Row(rows[i*blockRows+r]))
		}
		m.moments[i].Measure(m.kernels, b)
	})
	m.norm(m.moments[:m.blocks(n)])
	m.pack()
	m.pool.Run(m.blocks(n), func(worker, i int) {
		b, p := block(x, i), block(probs, i)
		m.kernels.Affine(b, b, m.scale, m.shift, kernels.Identity)
		logits, t := m.raw[worker].Slice(0, b.Rows), m.targets[worker].Slice(0, b.Rows)
		m.logits(logits, b)
		for r := range b.Rows {
			clear(t.Row(r))
			t.Row(r)[s.Labels[rows[i*blockRows+r]]] = 1
		}
		m.losses[i] = m.kernels.SoftmaxCrossEntropy(p, logits, t)
		m.kernels.SoftmaxCrossEntropyGrad(p, p, t, 1/float32(n))
	})
	clear(m.gBias)
	m.kernels.ColumnSums(probs, m.gBias)
	// A task has some features of every image, so there is nothing left to sum up.
	d := len(m.Mean)
	clear(m.gWeight)
	g := kernels.NewMatrix(m.gWeight, len(m.Bias), d)
	m.pool.Run((d+blockCols-1)/blockCols, func(_, i int) {
		from, to := i*blockCols, min((i+1)*blockCols, d)
		m.kernels.GemmTN(g.Columns(from, to), probs, x.Columns(from, to), kernels.FP32)
	})
	for _, l := range m.losses[:m.blocks(n)] {
		loss += l
	}
	return loss / float64(n)
}

// norm computes the moments of a batch from its blocks, and updates the running moments. The
// running variance is the unbiased one.
func (m *machine) norm(blocks []kernels.Moments) {
	means, variances := make([]float64, len(m.Mean)), make([]float64, len(m.Mean))
	n := kernels.MergeMoments(blocks, 0, means, variances)
	for c, mean := range means {
		variance := variances[c]
		m.setNorm(c, mean, variance)
		unbiased := variance * float64(n) / float64(max(n-1, 1))
		m.Mean[c] += float32(normMomentum * (mean - float64(m.Mean[c])))
		m.Var[c] += float32(normMomentum * (unbiased - float64(m.Var[c])))
	}
}

func (m *machine) setNorm(c int, mean, variance float64) {
	a := 1 / math.Sqrt(variance+normEps)
	m.scale[c], m.shift[c] = float32(a), float32(-mean*a)
}

func (m *machine) pack() {
	w := kernels.NewMatrix(m.Weight, len(m.Bias), len(m.Mean))
	m.pool.Run(m.packed.Panels(), func(_, i int) { m.packed.PackPanelTransposed(i, w) })
}

func (m *machine) logits(dst, x kernels.Matrix) {
	m.kernels.Gemm(dst, 1, x, m.packed, kernels.Broadcast(m.Bias, x.Rows))
}

// measure classifies a set with the running moments.
func (m *machine) measure(s *Set) eval.Result {
	for c := range m.Mean {
		m.setNorm(c, float64(m.Mean[c]), float64(m.Var[c]))
	}
	m.pack()
	type part struct {
		top1, top5 int
		loss       float64
	}
	parts := make([]part, m.blocks(s.Len()))
	values, k := s.matrix(), len(m.Bias)
	m.pool.Run(len(parts), func(worker, i int) {
		src := block(values, i)
		x := kernels.NewMatrix(make([]float32, src.Rows*s.Width), src.Rows, s.Width)
		probs := kernels.NewMatrix(make([]float32, src.Rows*k), src.Rows, k)
		m.kernels.Affine(x, src, m.scale, m.shift, kernels.Identity)
		logits, t := m.raw[worker].Slice(0, src.Rows), m.targets[worker].Slice(0, src.Rows)
		m.logits(logits, x)
		for r := range src.Rows {
			label := s.Labels[i*blockRows+r]
			switch rank := metrics.Rank(logits.Row(r), label); {
			case rank == 0:
				parts[i].top1++
				parts[i].top5++
			case rank < 5:
				parts[i].top5++
			}
			clear(t.Row(r))
			t.Row(r)[label] = 1
		}
		parts[i].loss = m.kernels.SoftmaxCrossEntropy(probs, logits, t)
	})
	var sum part
	for _, p := range parts {
		sum.top1, sum.top5, sum.loss = sum.top1+p.top1, sum.top5+p.top5, sum.loss+p.loss
	}
	n := float64(s.Len())
	return eval.Result{
		Top1:  100 * float64(sum.top1) / n,
		Top5:  100 * float64(sum.top5) / n,
		Loss:  sum.loss / n,
		Count: s.Len(),
	}
}
