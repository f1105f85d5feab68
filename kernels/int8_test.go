package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// withInt8 returns a set that computes with a path of 8-bit products.
func withInt8(p Int8Path) *Set {
	k := *Default()
	k.int8 = int8Paths[p]
	return &k
}

// int8Case is a product, or a convolution, of random values.
type int8Case struct {
	name                string
	lines               Lines
	segments, length, n int
	table, added        bool
	weight              int8 // of all values, 0 for random ones
	input               int  // likewise, -1 for random ones
	factor              float32
	n0, cols            int // of the result; 0 columns for all
	padding             int // of the rows of the result
}

func (c int8Case) String() string {
	return fmt.Sprintf("%s: %+v, %d segments of %d, %d columns", c.name, c.lines, c.segments, c.length, c.n)
}

type int8Data struct {
	a, d         []uint8
	w            []int8
	scale, shift []float32
	table        []uint8
	dscale       float32
}

func (c int8Case) data(seed uint64) (x int8Data) {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := c.lines.Count * c.lines.Width
	l := c.lines
	last := (l.Count-1)*l.Step + (l.Width-1)*l.Stride + (c.segments-1)*l.SegStride
	x.a = make([]uint8, last+c.length+Slack)
	for i := range x.a {
		x.a[i] = uint8(r.UintN(256))
		if c.input >= 0 {
			x.a[i] = uint8(c.input)
		}
	}
	x.w = make([]int8, c.n*c.segments*c.length)
	for i := range x.w {
		x.w[i] = int8(r.IntN(255) - 127)
		if c.weight != 0 {
			x.w[i] = c.weight
		}
	}
	x.d = make([]uint8, rows*c.n)
	for i := range x.d {
		x.d[i] = uint8(r.UintN(256))
	}
	for range c.n {
		// About the range of bytes and more; many results are ties.
		s := c.factor
		if s == 0 {
			s = float32(r.NormFloat64() * 100 / (128 * 64 * math.Sqrt(float64(c.segments*c.length))))
		}
		x.scale = append(x.scale, s)
		x.shift = append(x.shift, float32(r.IntN(512)-128)/2)
	}
	if c.table {
		x.table = make([]uint8, 256)
		for i := range x.table {
			x.table[i] = uint8(r.UintN(256))
		}
	}
	x.dscale = float32(r.IntN(9)-4) / 4
	return x
}

// run computes a case with a set.
func (c int8Case) run(t *testing.T, k *Set, x int8Data) (bytes []uint8, floats []float32) {
	t.Helper()
	p, err := k.PackInt8(x.w, c.n, c.segments, c.length)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Rescale(ToBytes, x.scale, x.shift, x.table, 0)
	if err != nil {
		t.Fatal(err)
	}
	rf, err := p.Rescale(ToFloats, x.scale, x.shift, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rows, cols := c.lines.Count*c.lines.Width, c.cols
	if cols == 0 {
		cols = c.n - c.n0
	}
	out := Bytes{Data: make([]uint8, rows*(cols+c.padding)), Rows: rows, Cols: cols, Stride: cols + c.padding}
	for i := range out.Data {
		out.Data[i] = 77
	}
	var d Bytes
	if c.added {
		d = NewBytes(x.d, rows, c.n).Columns(c.n0, c.n0+cols)
	}
	k.ConvolveInt8(out, c.n0, x.a, c.lines, p, r, d, x.dscale)
	f := Matrix{Data: Aligned(rows * (cols + c.padding)), Rows: rows, Cols: cols, Stride: cols + c.padding}
	var add Matrix
	if c.added {
		add = NewMatrix(Aligned(rows*cols), rows, cols)
		for i := range add.Data {
			add.Data[i] = float32(x.d[i]) / 3
		}
	}
	if c.lines.Count == 1 && c.segments == 1 {
		k.GemmInt8Float(f, c.n0, Bytes{Data: x.a, Rows: rows, Cols: c.length, Stride: c.lines.Stride}, p, rf, add)
	} else {
		k.ConvolveInt8Float(f, c.n0, x.a, c.lines, p, rf, add)
	}
	return out.Data, f.Data
}

// scaled returns a sum of integers, scaled and shifted with one rounding.
func (c int8Case) scaled(x int8Data, row, col int) float32 {
	at := row/c.lines.Width*c.lines.Step + row%c.lines.Width*c.lines.Stride
	sum, inner := 0, c.segments*c.length
	for s := range c.segments {
		for i := range c.length {
			sum += int(x.a[at+s*c.lines.SegStride+i]) * int(x.w[col*inner+s*c.length+i])
		}
	}
	return fused(x.scale[col], float32(sum), x.shift[col])
}

// exact returns a result by its definition: sums of integers, and one rounding after each step.
func (c int8Case) exact(x int8Data, row, col int) uint8 {
	v := c.scaled(x, row, col)
	if c.added {
		v = fused(x.dscale, float32(x.d[row*c.n+col]), v)
	}
	out := uint8(min(max(math.RoundToEven(float64(v)), 0), 255))
	if c.table {
		out = x.table[out]
	}
	return out
}

func int8Cases() (all []int8Case) {
	plain := func(rows, k, n int) int8Case {
		return int8Case{
			name:     "product",
			lines:    Lines{Count: 1, Width: rows, Stride: k},
			segments: 1,
			length:   k,
			n:        n,
			input:    -1,
		}
	}
	for _, rows := range []int{1, 2, 3, 4, 5, 6, 7, 9, 13, 14, 15, 29} {
		for i, n := range []int{1, 7, 8, 9, 16, 17, 31, 32, 33, 40, 47, 48, 49, 64, 80, 130} {
			c := plain(rows, []int{1, 3, 4, 10, 37, 64}[(rows+i)%6], n)
			c.table, c.added = (rows+i)%2 == 0, (rows+i)%3 == 0
			c.padding = i % 3
			all = append(all, c)
		}
	}
	for _, w := range []int8{-127, 127} { // the largest sums, too large for 16 bits
		for _, a := range []int{0, 1, 127, 128, 255} {
			c := plain(3, 514, 20)
			c.name, c.weight, c.input, c.factor = "extreme", w, a, 1.0/300000
			all = append(all, c)
		}
	}
	for _, channels := range []int{1, 2, 10, 16, 20} { // a partial convolution of a padded map
		line := (5 + 2) * channels
		all = append(all, int8Case{
			name: "3×3", lines: Lines{Count: 4, Width: 5, Step: line, Stride: channels, SegStride: line},
			segments: 3, length: 3 * channels, n: channels, input: -1, padding: 30,
		})
	}
	patches := int8Case{ // of 2×2 pixels
		name:     "patches",
		lines:    Lines{Count: 3, Width: 4, Step: 2 * 8 * 10, Stride: 2 * 10, SegStride: 8 * 10},
		segments: 2,
		length:   2 * 10,
		n:        20,
		input:    -1,
	}
	columns := plain(5, 40, 200)
	columns.name, columns.n0, columns.cols = "some columns", 64, 64
	last := plain(5, 40, 200)
	last.name, last.n0, last.added = "the last columns", 128, true
	return append(all, patches, columns, last)
}

// All paths compute the bits of the definition.
func TestInt8(t *testing.T) {
	for i, c := range int8Cases() {
		x := c.data(uint64(i))
		want, wantFloats := c.run(t, withInt8(Int8Go), x)
		cols := c.cols
		if cols == 0 {
			cols = c.n - c.n0
		}
		for row := range c.lines.Count * c.lines.Width {
			for col := range cols + c.padding {
				got, should := want[min(row*(cols+c.padding)+col, len(want)-1)], uint8(77)
				if col < cols {
					should = c.exact(x, row, c.n0+col)
					if f := wantFloats[row*(cols+c.padding)+col]; !c.added && f != c.scaled(x, row, c.n0+col) {
						t.Fatalf("%v: (%d, %d) in float32 is %g, want %g", c, row, col, f, c.scaled(x, row, c.n0+col))
					}
				}
				if got != should {
					t.Fatalf("%v: (%d, %d) is %d in plain Go, want %d", c, row, col, got, should)
				}
			}
		}
		for p := range int8Paths {
			got, floats := c.run(t, withInt8(p), x)
			if !slices.Equal(got, want) {
				at := 0
				for got[at] == want[at] {
					at++
				}
				t.Fatalf("%s, %v: value %d is %d, want %d", p, c, at, got[at], want[at])
			}
			if !slices.Equal(floats, wantFloats) {
				t.Fatalf("%s, %v: other float32", p, c)
			}
		}
	}
}

// All paths convert values to the same bytes, also NaN and infinities.
func TestQuantise(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 333)
	for i := range x {
		x[i] = float32(r.IntN(1200)-300) / 4
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	copy(x, []float32{nan, inf, -inf, 3e38, -3e38, 0, 254.5, 255.5, 0.5, 1.5})
	for _, scale := range []float32{1, 0.3, -2} {
		want := make([]uint8, len(x))
		withInt8(Int8Go).Quantise(want, x, scale, 2)
		for i, v := range x[1:] {
			rounded := math.RoundToEven(float64(float32(float64(scale)*float64(v) + 2)))
			if float64(want[i+1]) != min(max(rounded, 0), 255) {
				t.Fatalf("%g·%g + 2 became %d", scale, v, want[i+1])
			}
		}
		for p := range int8Paths {
			got := make([]uint8, len(x))
			withInt8(p).Quantise(got, x, scale, 2)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", p, got[:12], want[:12])
			}
		}
	}
	back := make([]float32, 3)
	Default().Dequantise(back, []uint8{0, 10, 255}, 0.5, 10)
	if !slices.Equal(back, []float32{-5, 0, 122.5}) {
		t.Errorf("as float32: %v", back)
	}
}

// fused rounds once.
func TestFused(t *testing.T) {
	for _, c := range []struct{ a, b, c, want float32 }{
		{1 + 1.0/4096, 1 + 1.0/4096, -1 - 1.0/2048, 1.0 / (1 << 24)},
		{1 << 24, 1, 1.0 / 1024, 1 << 24},
		{1<<12 + 1, 1<<12 - 1, 1, 1 << 24},             // the product is 2²⁴-1
		{16777217.0 / 2, 2, 1.0 / 1024, 16777216},      // float32 has no 2²⁴+1
		{1 << 12, 1 << 12, 1 + 1.0/(1<<20), 1<<24 + 2}, // above a tie, by less than float64 keeps of it
		{1 << 12, 1 << 12, 1, 1 << 24},                 // a tie
		{3, -1, 3, 0},
	} {
		if got := fused(c.a, c.b, c.c); got != c.want {
			t.Errorf("%g·%g + %g is %g, want %g", c.a, c.b, c.c, got, c.want)
		}
	}
}

// Impossible products are refused.
func TestInt8Errors(t *testing.T) {
	k := Default()
	for _, c := range []struct {
		name           string
		w              []int8
		n, seg, length int
	}{
		{"too many values", make([]int8, MostInner+1), 1, 1, MostInner + 1},
		{"none", nil, 1, 0, 4},
		{"of another size", make([]int8, 7), 2, 1, 4},
		{"-128", []int8{-128}, 1, 1, 1},
	} {
		if _, err := k.PackInt8(c.w, c.n, c.seg, c.length); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	p, err := k.PackInt8([]int8{1, 2, 3, 4}, 2, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name         string
		to           ResultFormat
		scale, shift []float32
		table        []uint8
		most         float64
	}{
		{"NaN", ToBytes, []float32{1, nan}, []float32{0, 0}, nil, 0},
		{"NaN in float32", ToFloats, []float32{1, nan}, []float32{0, 0}, nil, 0},
		{"infinite", ToBytes, []float32{1, 1}, []float32{0, inf}, nil, 0},
		{"infinite in float32", ToFloats, []float32{1, 1}, []float32{0, inf}, nil, 0},
		{"too large", ToBytes, []float32{1, 1e9}, []float32{0, 0}, nil, 0},
		{"too large for float32", ToFloats, []float32{1, 1e37}, []float32{0, 0}, nil, 0},
		{"too few", ToBytes, []float32{1}, []float32{0, 0}, nil, 0},
		{"a short table", ToBytes, []float32{1, 1}, []float32{0, 0}, make([]uint8, 255), 0},
		{"a large term", ToBytes, []float32{1, 1}, []float32{0, 0}, nil, 1e10},
	} {
		if _, err := p.Rescale(c.to, c.scale, c.shift, c.table, c.most); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	if _, err := p.Rescale(ToFloats, []float32{1e20, 1e9}, []float32{1e30, 0}, nil, 0); err != nil {
		t.Errorf("large values in float32: %v", err)
	}
}

func BenchmarkInt8(b *testing.B) {
	for _, s := range []struct{ rows, k, n int }{
		{3136, 40, 80}, {3136, 80, 40}, {784, 160, 80}, {196, 160, 320}, {196, 320, 160}, {49, 320, 640},
		{196, 512, 1024}, {49, 2048, 1024},
	} {
		for _, p := range []Int8Path{Int8AVX512, Int8AVX, Int8Exact} {
			if int8Paths[p] == nil {
				continue
			}
			b.Run(fmt.Sprintf("%s/%dx%dx%d", p, s.rows, s.k, s.n), func(b *testing.B) {
				c := int8Case{
					lines:    Lines{Count: 1, Width: s.rows, Stride: s.k},
					segments: 1,
					length:   s.k,
					n:        s.n,
					input:    -1,
					table:    true,
				}
				x := c.data(1)
				k := withInt8(p)
				w, _ := k.PackInt8(x.w, s.n, 1, s.k)
				r, _ := w.Rescale(ToBytes, x.scale, x.shift, x.table, 0)
				out := NewBytes(make([]uint8, s.rows*s.n), s.rows, s.n)
				a := NewBytes(x.a, s.rows, s.k)
				for b.Loop() {
					k.GemmInt8(out, 0, a, w, r, Bytes{}, 0)
				}
				b.ReportMetric(2*float64(s.rows*s.k*s.n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GOPS")
			})
		}
	}
}
