package kernels

// Moments holds the sums of a batch norm over some rows: the number of rows and, per
// column, the mean and the sum of squared distances from that mean. Unlike Σ x², these
// lose no digits if the mean is much larger than the deviation.
type Moments struct {
	Count     int
	Mean, Dev []float32
}

// Measure computes the moments of the rows of x. It reads x twice, so x should fit into
// a cache.
func (m *Moments) Measure(k *Set, x Matrix) {
	m.Count = x.Rows
	clear(m.Mean)
	clear(m.Dev)
	if x.empty() {
		return
	}
	l := k.Begin()
	defer l.End(Work{Kind: BatchNorm}, 8*x.Rows*x.Cols)
	k = k.Unmetered()
	k.ColumnSums(x, m.Mean)
	Scale(m.Mean, 1/float32(x.Rows))
	k.columnDeviations(x.Rows, x.Cols, x.ptr(), x.Stride,
		columnsOf("Moments", m.Mean, x.Cols), columnsOf("Moments", m.Dev, x.Cols))
}

// MergeMoments combines the moments of blocks of rows, in the order of the blocks (Chan, Golub
// and LeVeque, 1983). It covers as many columns, from column from on, as mean and variance have
// values. It writes the mean and the biased variance over all rows, and returns their number.
func MergeMoments(blocks []Moments, from int, mean, variance []float64) (count int) {
	variance = variance[:len(mean)]
	clear(mean)
	clear(variance)
	var n float64
	for _, b := range blocks {
		if b.Count == 0 {
			continue
		}
		bn := float64(b.Count)
		total := n + bn
		means, devs := b.Mean[from:][:len(mean)], b.Dev[from:][:len(mean)]
		for c, m := range mean { // column by column: the divisions do not wait for each other
			d := float64(means[c]) - m
			mean[c] = m + d*bn/total
			variance[c] += float64(devs[c]) + d*d*n*bn/total
		}
		n = total
	}
	for c := range variance {
		if n > 0 {
			variance[c] /= n
		}
	}
	return int(n)
}
