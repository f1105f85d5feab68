package ops

import (
	"fmt"
	"math"

	"fasternet/kernels"
)

// attention is multi-head attention within windows, on packed rows of queries, keys and values
// [tokens, 3·C]; the heads of each follow one another:
//
//	o = softmax(q·kᵀ/√d + bias)·v
//
// A task is a head and some windows. It gathers their tokens into the cache, and multiplies some
// queries at a time. For the backward pass it keeps only the inputs; the softmax is computed again,
// because it is the cheaper part.
type attention struct {
	tape         *Tape
	windows      *Windows
	heads, depth int    // number of heads; channels of a head
	table        *Param // [(2·side-1)², heads]: relative position bias; or nil
	scale        float32
	queries      int // multiplied at a time
	// How the windows of a head are divided among tasks. In the backward pass with a table each part
	// has its own sums, so their number depends only on the pattern.
	forwardParts, backwardParts int
	groups                      int // of the queries of a window, in the forward pass

	tables    *Buffer // gradient of the table for each task of the backward pass
	workers   []attentionPacks
	forwardTo func(worker, i int)
	backward  func(worker, i int)

	// In the current run.
	qkv, o, do, dqkv kernels.Matrix
}

// attentionPacks holds the packed operands of a worker.
type attentionPacks struct{ keys, values kernels.Packed }

func (t *Tape) newAttention(w *Windows, channels, heads int, table *Param) (*attention, error) {
	if heads < 1 || channels%heads != 0 {
		return nil, fmt.Errorf("%d channels for %d heads: want a multiple", channels, heads)
	}
	if (table != nil) != (w.side > 0) {
		return nil, fmt.Errorf("a position bias needs windows with places, and these need a bias")
	}
	a := &attention{tape: t, windows: w, heads: heads, depth: channels / heads, table: table}
	if table != nil {
		span := 2*w.side - 1
		if s := table.Shape(); s.Dims() != 2 || s[0] != span*span || s[1] != heads {
			return nil, fmt.Errorf("%s has shape %v, want [%d, %d]", table.Name, s, span*span, heads)
		}
	}
	const most = 4 * tile // rows of scores at a time, which stay in the cache with keys and values
	a.scale = float32(1 / math.Sqrt(float64(a.depth)))
	a.queries = w.longest
	if a.queries > most+tile {
		a.queries = most
	}
	a.divide(t.Pool().Workers())
	a.workers = make([]attentionPacks, t.Pool().Goroutines())
	for i := range a.workers {
		a.workers[i].keys = kernels.Packed{Kernels: t.kernels, Precision: t.Precision}
		a.workers[i].values = kernels.Packed{Kernels: t.kernels, Precision: t.Precision}
	}
	a.forwardTo, a.backward = a.forwardTask, a.backwardTask
	n, d := w.longest, a.depth
	packed := t.kernels.PackedLen(d, n, t.Precision) + t.kernels.PackedLen(n, d, t.Precision)
	size := 8*(n*d+16) + 4*(packed+64) + 2*a.tableRows()
	t.NeedScratch(scratchSize([]int{size}, n, n, n) + scratchSize(nil, a.queries, n, n))
	if t.Train && table != nil {
		a.tables = t.NewBuffer(heads * a.backwardParts * a.tableRows())
	}
	return a, nil
}

func (a *attention) tableRows() int {
	if a.table == nil {
		return 0
	}
	return a.table.Shape()[0]
}

// divide finds the number of tasks.
func (a *attention) divide(workers int) {
	const most = 128 // sums of a table; their number must not depend on the number of workers
	count := a.windows.count()
	a.forwardParts, a.groups = attentionParts(a.heads, count, (a.windows.longest+a.queries-1)/a.queries, workers)
	if a.table != nil {
		a.backwardParts = min(count, max(1, most/a.heads))
		return
	}
	a.backwardParts, _ = attentionParts(a.heads, count, 1, workers)
}

// attentionParts divides the windows of each head into parts, or each window into at most the given
// number of groups of queries, so that the busiest worker gets little work. Each group packs the keys
// and the values of the whole window.
func attentionParts(heads, windows, queries, workers int) (parts, groups int) {
	// As parts of the time of a window: estimates, which change only the division of the work.
	const packing, ofTask = 0.3, 0.1
	best := 0.0
	try := func(p, g int) {
		tasks := heads * p * g
		if enough := min(heads*windows, 4*workers); tasks < enough && p < windows {
			return // an interrupted worker could not leave much to others
		}
		load := 0.0
		for w := range workers { // as Pool.Run divides tasks
			sum := 0.0
			for i := w * tasks / workers; i < (w+1)*tasks/workers; i++ {
				part := i / g % p
				sum += ofTask + float64((part+1)*windows/p-part*windows/p)*(packing+(1-packing)/float64(g))
			}
			load = max(load, sum)
		}
		if best == 0 || load < 0.99*best {
			best, parts, groups = load, p, g
		}
	}
	for p := 1; p <= min(windows, 8*workers); p++ {
		try(p, 1)
	}
	for g := 2; g <= queries; g++ {
		try(windows, g)
	}
	if best == 0 {
		return windows, 1
	}
	return parts, groups
}

// split returns the windows of task i of a head's parts, and the head.
func (a *attention) split(i, parts int) (head int, ws []window) {
	head, part := i/parts, i%parts
	n := len(a.windows.list)
	return head, a.windows.list[part*n/parts : (part+1)*n/parts]
}

// gather copies rows from, …, to-1 of a window from some columns of a map.
func (w *window) gather(k *kernels.Set, dst, src kernels.Matrix, from, to int) {
	defer k.Begin().End(kernels.Work{Kind: kernels.Copying}, 2*4*(to-from)*dst.Cols)
	k = k.Unmetered() // the runs are short
	w.eachRun(from, to, func(at, row, n int) { k.Copy(dst.Slice(at, at+n), src.Slice(row, row+n)) })
}

// place returns the first row of a window whose tokens follow one another in the map; ok is false for
// other windows.
func (w *window) place() (row int, ok bool) {
	return int(w.runs[0][0]), len(w.runs) == 1
}

// rows returns rows from, …, to-1 of a window, of some columns of a map: in place if they follow one
// another there, else copied to memory.
func (w *window) rows(k *kernels.Set, memory []float32, src kernels.Matrix, from, to int) kernels.Matrix {
	if at, ok := w.place(); ok {
		return src.Slice(at+from, at+to)
	}
	dst := kernels.NewMatrix(memory, to-from, src.Cols)
	w.gather(k, dst, src, from, to)
	return dst
}

// scatter copies them back.
func (w *window) scatter(k *kernels.Set, dst, src kernels.Matrix, from, to int) {
	defer k.Begin().End(kernels.Work{Kind: kernels.Copying}, 2*4*(to-from)*dst.Cols)
	k = k.Unmetered()
	w.eachRun(from, to, func(at, row, n int) { k.Copy(dst.Slice(row, row+n), src.Slice(at, at+n)) })
}

// eachRun calls f for each run of tokens among from, …, to-1 of a window that follow one another in the
// map: with the number of the first token since from, its row in the map, and the length of the run.
func (w *window) eachRun(from, to int, f func(at, row, n int)) {
	at := 0
	for _, r := range w.runs {
		n := int(r[1])
		a, b := max(at, from), min(at+n, to)
		if a < b {
			f(a-from, int(r[0])+a-at, b-a)
		}
		at += n
	}
}

// columns returns the columns of part p (query, key or value) of a head in the packed rows.
func (a *attention) columns(m kernels.Matrix, p, head int) kernels.Matrix {
	at := p*a.heads*a.depth + head*a.depth
	return m.Columns(at, at+a.depth)
}

// headTable copies the bias of a head from the table.
func (a *attention) headTable(dst []float32, head int) {
	data := a.table.Data()
	for i := range dst {
		dst[i] = data[i*a.heads+head]
	}
}

// layBias lays the bias of a head out for the queries and keys of a window.
func (a *attention) layBias(dst kernels.Matrix, w *window, table []float32) {
	base := a.windows.biasRow(0, 0)
	for i, q := range w.codes {
		row, at := dst.Row(i), int(q)+base
		for j, k := range w.codes {
			row[j] = table[at-int(k)]
		}
	}
}

func (a *attention) forwardTask(worker, i int) {
	group := i % a.groups
	head, ws := a.split(i/a.groups, a.forwardParts)
	s := scratch{a.tape.Scratch(worker)}
	packs := &a.workers[worker]
	longest, d := a.windows.longest, a.depth
	table := s.vector(a.tableRows())
	q, k, v := s.vector(longest*d), s.vector(longest*d), s.vector(longest*d)
	keyMemory := s.vector(a.tape.kernels.PackedLen(d, longest, a.tape.Precision))
	valueMemory := s.vector(a.tape.kernels.PackedLen(longest, d, a.tape.Precision))
	bias, scores := s.matrix(longest, longest), s.matrix(a.queries, longest)
	if a.table != nil {
		a.headTable(table, head)
	}
	out := a.o.Columns(head*d, (head+1)*d)
	pattern := -1
	for j := range ws {
		w := &ws[j]
		n := len(w.tokens)
		times := (n + a.queries - 1) / a.queries
		first, end := group*times/a.groups*a.queries, min(n, (group+1)*times/a.groups*a.queries)
		if first >= end {
			continue
		}
		queries := w.rows(a.tape.kernels, q, a.columns(a.qkv, 0, head), first, end)
		keys := w.rows(a.tape.kernels, k, a.columns(a.qkv, 1, head), 0, n)
		values := w.rows(a.tape.kernels, v, a.columns(a.qkv, 2, head), 0, n)
		results := queries // they are not needed when the results come
		at, inPlace := w.place()
		if inPlace {
			results = out.Slice(at+first, at+end)
		}
		packs.keys.Resize(d, n, keyMemory)
		packs.keys.PackTransposed(keys)
		packs.values.Resize(n, d, valueMemory)
		packs.values.PutRows(0, values)
		if a.table != nil && w.pattern != pattern {
			a.layBias(bias.Columns(0, n), w, table)
			pattern = w.pattern
		}
		for from := first; from < end; from += a.queries {
			to := min(from+a.queries, end)
			p, some := scores.Slice(0, to-from).Columns(0, n), queries.Slice(from-first, to-first)
			a.tape.kernels.Gemm(p, a.scale, some, &packs.keys, a.biasOf(bias, from, to, n))
			a.tape.kernels.SoftmaxRows(p)
			a.tape.kernels.Gemm(results.Slice(from-first, to-first), 1, p, &packs.values, kernels.Matrix{})
		}
		if !inPlace {
			w.scatter(a.tape.kernels, out, results, first, end)
		}
	}
}

// biasOf returns the laid-out bias of some queries, or an empty matrix.
func (a *attention) biasOf(bias kernels.Matrix, from, to, n int) kernels.Matrix {
	if a.table == nil {
		return kernels.Matrix{}
	}
	return bias.Slice(from, to).Columns(0, n)
}

func (a *attention) backwardTask(worker, i int) {
	head, ws := a.split(i, a.backwardParts)
	s := scratch{a.tape.Scratch(worker)}
	packs := &a.workers[worker]
	longest, d := a.windows.longest, a.depth
	var memory [7]kernels.Matrix
	table := s.vector(a.tableRows())
	for j := range memory {
		memory[j] = kernels.NewMatrix(s.vector(longest*d), longest, d)
	}
	keyT := s.vector(a.tape.kernels.PackedLen(d, longest, a.tape.Precision))
	valueT := s.vector(a.tape.kernels.PackedLen(d, longest, a.tape.Precision))
	keyN := s.vector(a.tape.kernels.PackedLen(longest, d, a.tape.Precision))
	bias, dbias := s.matrix(longest, longest), s.matrix(longest, longest)
	scores, dscores := s.matrix(a.queries, longest), s.matrix(a.queries, longest)
	var tableGrad []float32
	if a.table != nil {
		a.headTable(table, head)
		tableGrad = a.tables.data[i*a.tableRows() : (i+1)*a.tableRows()]
		clear(tableGrad)
	}
	for j := range ws {
		w := &ws[j]
		n := len(w.tokens)
		var m [7]kernels.Matrix
		for j := range m {
			m[j] = memory[j].Slice(0, n)
		}
		q, k, v, do, dq, dk, dv := m[0], m[1], m[2], m[3], m[4], m[5], m[6]
		w.gather(a.tape.kernels, q, a.columns(a.qkv, 0, head), 0, n)
		w.gather(a.tape.kernels, k, a.columns(a.qkv, 1, head), 0, n)
		w.gather(a.tape.kernels, v, a.columns(a.qkv, 2, head), 0, n)
		w.gather(a.tape.kernels, do, a.do.Columns(head*d, (head+1)*d), 0, n)
		if a.table != nil && (j == 0 || w.pattern != ws[j-1].pattern) {
			a.layBias(bias.Columns(0, n), w, table)
			for r := range n {
				clear(dbias.Row(r)[:n])
			}
		}
		a.tape.kernels.Clear(dk.Data[:n*d])
		a.tape.kernels.Clear(dv.Data[:n*d])
		b := dbias.Slice(0, n).Columns(0, n)
		for from := 0; from < n; from += a.queries {
			to := min(from+a.queries, n)
			p, dp := scores.Slice(0, to-from).Columns(0, n), dscores.Slice(0, to-from).Columns(0, n)
			packs.keys.Resize(d, n, keyT)
			if from == 0 {
				packs.keys.PackTransposed(k)
			}
			a.tape.kernels.Gemm(p, a.scale, q.Slice(from, to), &packs.keys, a.biasOf(bias, from, to, n))
			a.tape.kernels.SoftmaxRows(p)
			a.tape.kernels.GemmTN(dv, p, do.Slice(from, to), a.tape.Precision)
			packs.values.Resize(d, n, valueT)
			if from == 0 {
				packs.values.PackTransposed(v)
			}
			a.tape.kernels.Gemm(dp, 1, do.Slice(from, to), &packs.values, kernels.Matrix{})
			a.tape.kernels.SoftmaxRowsGrad(p, dp)
			if a.table != nil {
				a.tape.kernels.Combine(b.Slice(from, to), b.Slice(from, to), dp, 1, 1)
			}
			packs.keys.Resize(n, d, keyN)
			if from == 0 {
				packs.keys.PutRows(0, k)
			}
			a.tape.kernels.Gemm(dq.Slice(from, to), a.scale, dp, &packs.keys, kernels.Matrix{})
			a.tape.kernels.GemmTN(dk, dp, q.Slice(from, to), a.tape.Precision)
		}
		a.tape.kernels.Combine(dk, dk, dk, a.scale, 0)
		w.scatter(a.tape.kernels, a.columns(a.dqkv, 0, head), dq, 0, n)
		w.scatter(a.tape.kernels, a.columns(a.dqkv, 1, head), dk, 0, n)
		w.scatter(a.tape.kernels, a.columns(a.dqkv, 2, head), dv, 0, n)
		if a.table != nil && (j+1 == len(ws) || ws[j+1].pattern != w.pattern) {
			a.collectBias(tableGrad, w, b)
		}
	}
}

// collectBias adds the gradient of a laid-out bias to the gradient of the table.
func (a *attention) collectBias(table []float32, w *window, dbias kernels.Matrix) {
	base := a.windows.biasRow(0, 0)
	for i, q := range w.codes {
		row, at := dbias.Row(i), int(q)+base
		for j, k := range w.codes {
			table[at-int(k)] += row[j]
		}
	}
}

// sumTable adds up the gradients of the table for a head, task by task.
func (a *attention) sumTable(_, head int) {
	grad, n := a.table.GradData(), a.tableRows()
	for part := range a.backwardParts {
		task := head*a.backwardParts + part
		for r, v := range a.tables.data[task*n : (task+1)*n] {
			grad[r*a.heads+head] += v
		}
	}
}

// runForward computes o from qkv.
func (a *attention) runForward(qkv, o kernels.Matrix) {
	a.qkv, a.o = qkv, o
	a.tape.Pool().Run(a.heads*a.forwardParts*a.groups, a.forwardTo)
}

// runBackward computes dqkv from do. sumAfter adds up the gradient of the table.
func (a *attention) runBackward(qkv, do, dqkv kernels.Matrix) {
	a.qkv, a.do, a.dqkv = qkv, do, dqkv
	a.tape.Pool().Run(a.heads*a.backwardParts, a.backward)
}

// sumAfter returns tasks that add up the gradient of the table, after the other tasks of a region.
func (a *attention) sumAfter(tasks int, task func(worker, i int)) (all int, run func(worker, i int)) {
	if a.table == nil {
		return tasks, task
	}
	return tasks + a.heads, func(worker, i int) {
		if i < tasks {
			task(worker, i)
			return
		}
		a.sumTable(worker, i-tasks)
	}
}

// uses returns the planned memory of the backward pass.
func (a *attention) uses() []*Buffer {
	if a.tables == nil {
		return nil
	}
	return []*Buffer{a.tables}
}
