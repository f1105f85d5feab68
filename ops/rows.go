package ops

import "fasternet/kernels"

// span is a range of rows of a feature map [batch·height·width, channels]: some lines of one image,
// or some whole images.
type span struct {
	image, images int // first image and number of images
	line, lines   int // first line and number of lines of each image
}

// mapShape is the shape of a feature map.
type mapShape struct {
	batch, height, width, channels int
}

func (s mapShape) rows() int { return s.batch * s.height * s.width }

func (s mapShape) matrix(data []float32) kernels.Matrix {
	return kernels.NewMatrix(data, s.rows(), s.channels)
}

// from and to return the first row of a span, and the row after its last one.
func (s mapShape) from(b span) int { return (b.image*s.height + b.line) * s.width }
func (s mapShape) to(b span) int   { return s.from(b) + b.images*b.lines*s.width }

// rowsOf returns the rows of each of some spans.
func (s mapShape) rowsOf(spans []span) [][2]int {
	out := make([][2]int, len(spans))
	for i, b := range spans {
		out[i] = [2]int{s.from(b), s.to(b)}
	}
	return out
}

// eachImage calls f with the part of every image in b.
func (b span) eachImage(f func(b span)) {
	for i := range b.images {
		f(span{image: b.image + i, images: 1, line: b.line, lines: b.lines})
	}
}

// cut divides the map into spans of about the given number of rows. The cut depends only on its
// arguments, and so do sums over spans.
func (s mapShape) cut(rows int) []span {
	var out []span
	perImage := s.height * s.width
	if images := rows / max(perImage, 1); images > 1 {
		parts := (s.batch + images - 1) / images
		for i := range parts {
			from, to := i*s.batch/parts, (i+1)*s.batch/parts
			out = append(out, span{image: from, images: to - from, lines: s.height})
		}
		return out
	}
	parts := min(s.height, (perImage+rows-1)/rows)
	for image := range s.batch {
		for i := range parts {
			from, to := i*s.height/parts, (i+1)*s.height/parts
			out = append(out, span{image: image, images: 1, line: from, lines: to - from})
		}
	}
	return out
}

// even is cut for evaluation, where rows depend only on themselves. If there are few spans, it
// chooses their number such that all workers get about as many lines. load is the largest part of
// the lines of a worker, times the number of workers: 1 if all get the same.
func (s mapShape) even(rows, workers int) (spans []span, load float64) {
	spans = s.cut(rows)
	load = s.load(spans, workers)
	for parts := len(spans)/s.batch + 1; load > 1.01 &&
		parts <= min(s.height, 4*workers) &&
		len(spans) >= s.batch; parts++ {
		finer := s.cut((s.height*s.width + parts - 1) / parts)
		if l := s.load(finer, workers); l < load-0.01 {
			spans, load = finer, l
		}
	}
	return spans, load
}

// load returns the largest part of the lines of a worker for some spans; see even.
func (s mapShape) load(spans []span, workers int) float64 {
	most := 0
	for w := range workers { // as Pool.Run divides tasks
		lines := 0
		for _, b := range spans[w*len(spans)/workers : (w+1)*len(spans)/workers] {
			lines += b.images * b.lines
		}
		most = max(most, lines)
	}
	return float64(most*workers) / float64(s.batch*s.height)
}

// blockRows returns the number of rows to work on at a time. rowLen values of each should fit into
// a part of the second-level cache: 96 Ki values are 384 KiB of 1 MiB (Zen 4 and 5). There should
// be at least 16 blocks, so that there is work for many cores, of at least 28 rows, which are two
// tiles of AVX-512.
func blockRows(rows, rowLen int) int {
	const cacheValues, parts, least = 96 << 10, 16, 28
	return max(least, min(cacheValues/rowLen, (rows+parts-1)/parts))
}

// chunks divides n spans into at most limit runs of spans. For each run a worker adds up the
// gradients of weights in separate memory.
func chunks(n, limit int) [][2]int {
	parts := min(n, limit)
	out := make([][2]int, parts)
	for i := range out {
		out[i] = [2]int{i * n / parts, (i + 1) * n / parts}
	}
	return out
}

// chunkLimit bounds the number of runs by the memory for their sums, for weights with the given
// number of values: 16 runs take at most 1 MiB, 8 runs at most 32 MiB.
func chunkLimit(values int) int {
	switch {
	case values <= 16<<10:
		return 16
	case values <= 1<<20:
		return 8
	}
	return 4
}

// tileRanges cuts n outputs into about as many parts, of whole tiles of registers except for the
// last one. No part is empty.
func tileRanges(n, tile, parts int) [][2]int {
	tiles := (n + tile - 1) / tile
	parts = min(parts, tiles)
	out := make([][2]int, parts)
	for i := range out {
		out[i] = [2]int{i * tiles / parts * tile, (i + 1) * tiles / parts * tile}
	}
	out[parts-1][1] = n
	return out
}

// rowStride returns the distance of rows of the given length in scratch: an odd number of cache lines
// (16 values), so that the rows of a tile spread over all sets of the first-level cache.
func rowStride(cols int) int { return (cols+15)/16/2*32 + 16 }

// scratch hands out parts of a worker's scratch memory.
type scratch struct{ rest []float32 }

func (s *scratch) vector(n int) []float32 {
	v := s.rest[:n]
	s.rest = s.rest[(n+15)/16*16:]
	return v
}

func (s *scratch) matrix(rows, cols int) kernels.Matrix {
	ld := rowStride(cols)
	return kernels.Matrix{Data: s.vector(rows * ld), Rows: rows, Cols: cols, Stride: ld}
}

// factorLen returns the memory for a left-hand side of products in the precision of the tape.
func (t *Tape) factorLen(rows, cols int) int { return t.kernels.FactorLen(rows, cols, t.Precision) }

// factor returns a left-hand side of products in the precision of the tape.
func (s *scratch) factor(t *Tape, rows, cols int) kernels.Factor {
	return t.kernels.NewFactor(s.vector(t.factorLen(rows, cols)), rows, cols, t.Precision)
}

// rounded returns m as products read it: m itself, or a rounded copy for more than one product.
func (s *scratch) rounded(t *Tape, m kernels.Matrix) kernels.Factor {
	f := s.factorOf(t, m)
	if f.Precision == kernels.BF16 {
		t.kernels.CopyTo(f, m)
	}
	return f
}

// factorOf returns memory for what an op computes from m before a product: m's own memory, unless
// the format differs.
func (s *scratch) factorOf(t *Tape, m kernels.Matrix) kernels.Factor {
	if t.Precision == kernels.BF16 {
		return s.factor(t, m.Rows, m.Cols)
	}
	return m.AsFactor()
}

// scratchSize returns the memory for vectors of the given lengths and for matrices with the given
// numbers of columns.
func scratchSize(vectors []int, rows int, cols ...int) int {
	n := 0
	for _, v := range vectors {
		n += (v + 15) / 16 * 16
	}
	for _, c := range cols {
		n += (rows*rowStride(c) + 15) / 16 * 16
	}
	return n
}
