package kernels

// Moments are the sums of a batch norm over some rows: their number and, per
// column, the mean and the sum of the squared distances to it. Keeping the
// distances to the block's own mean, not Σ x², loses no digits when the mean is
// large against the deviation.
type Moments struct {
	Count     int
	Mean, Dev []float32
}

// Measure computes the moments of the rows of x, which should fit into a cache:
// it is read twice.
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

// MergeMoments combines the moments of columns from, from+1, … over blocks of rows, in their
// order (Chan, Golub and LeVeque, 1983): as many columns as mean and variance have values. It
// writes the mean and the biased variance over all rows, and returns their number.
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
		for c, m := range mean { // columns side by side: their divisions do not wait for each other
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
