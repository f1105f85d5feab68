package kernels

import (
	"errors"
	"fmt"
	"math"
	"unsafe"
)

// PackedInt8 holds the right-hand side B [K, N] of products of 8-bit values in the order in which
// the kernels of one path read it. The inner index has segments, each padded with zeros to whole
// quads.
type PackedInt8 struct {
	N                       int
	functions               *int8Functions
	segments, length, quads int
	panels                  []panel
	data                    []int8
	sums                    []int32 // 128 times the sum of each column
	magnitudes              []int32 // the sum of |b| of each column
}

// MostInner is the largest inner index of a product of 8-bit values: sums of products of at most
// 255·128 fit into 32 bits.
const MostInner = math.MaxInt32 / (255 * 128)

// PackInt8 packs the transpose of w [N, segments·length]. The values are from -127 to 127.
func (k *Set) PackInt8(w []int8, n, segments, length int) (*PackedInt8, error) {
	inner := segments * length
	if inner < 1 || inner > MostInner {
		return nil, fmt.Errorf("kernels: int8: an inner index of %d: want 1 to %d", inner, MostInner)
	}
	if len(w) != n*inner {
		return nil, fmt.Errorf("kernels: int8: %d weights for %d×%d", len(w), n, inner)
	}
	f := k.int8
	p := &PackedInt8{N: n, functions: f, segments: segments, length: length, quads: (length + 3) / 4}
	p.panels = appendPanels(nil, n, f.lanes, BF16)
	size, columns := 0, 0
	for i := range p.panels {
		p.panels[i].offset = size
		size += 4 * segments * p.quads * p.panels[i].vectors * f.lanes
		columns = p.panels[i].from + p.panels[i].vectors*f.lanes
	}
	p.data = unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(Aligned((size+3)/4)))), size)
	p.sums, p.magnitudes = make([]int32, columns), make([]int32, columns)
	for _, t := range p.panels {
		width := t.vectors * f.lanes
		for c := range t.cols {
			row := w[(t.from+c)*inner:][:inner]
			for s := range segments {
				for i, v := range row[s*length:][:length] {
					if v == -128 {
						return nil, errors.New("kernels: int8: a weight of -128: want -127 to 127")
					}
					p.data[t.offset+4*((s*p.quads+i/4)*width+c)+i%4] = v
					p.sums[t.from+c] += 128 * int32(v)
					p.magnitudes[t.from+c] += max(int32(v), -int32(v))
				}
			}
		}
	}
	return p, nil
}

// Rescale converts the sums of a product: a factor and a term for each column, and a table, or nil,
// in which the result is looked up.
type Rescale struct {
	Table        []uint8 // 256 values
	To           ResultFormat
	scale, shift []float32
}

// ResultFormat says what a product of 8-bit values is converted to.
type ResultFormat int

// The formats of results.
const (
	ToBytes ResultFormat = iota
	ToFloats
)

// most returns the largest magnitude of a result before it is converted.
func (f ResultFormat) most() float64 {
	if f == ToFloats {
		return math.MaxFloat32 / 2
	}
	return 1 << 30 // half of what the conversion to 32-bit integers can hold
}

// CheckRescale returns an error if a result could be too large for its format, or not be a number. magnitude
// is the sum of the magnitudes of the column's weights, and most the largest value that is added to the result.
func CheckRescale(to ResultFormat, scale, shift float32, magnitude, most float64) error {
	largest := math.Abs(float64(scale))*255*magnitude + math.Abs(float64(shift)) + math.Abs(most)
	if !(largest < to.most()) {
		return fmt.Errorf("a factor of %g and a term of %g give values that are too large, or not numbers",
			scale, shift)
	}
	return nil
}

// Rescale makes a conversion for the columns of p. most is the largest value that is added to the
// results. The error says that results could be too large, or not be numbers.
func (p *PackedInt8) Rescale(
	to ResultFormat,
	scale, shift []float32,
	table []uint8,
	most float64,
) (*Rescale, error) {
	if len(scale) != p.N || len(shift) != p.N || table != nil && len(table) != 256 {
		return nil, fmt.Errorf("kernels: int8: %d factors, %d terms and %d places of a table for %d columns",
			len(scale), len(shift), len(table), p.N)
	}
	for i, s := range scale {
		if err := CheckRescale(to, s, shift[i], float64(p.magnitudes[i]), most); err != nil {
			return nil, fmt.Errorf("kernels: int8: column %d: %w", i, err)
		}
	}
	r := &Rescale{Table: table, To: to, scale: make([]float32, len(p.sums)), shift: make([]float32, len(p.sums))}
	copy(r.scale, scale)
	copy(r.shift, shift)
	return r, nil
}

// begin checks a product, and finds its panels.
func (p *PackedInt8) begin(k *Set, to ResultFormat, a []uint8, l Lines, rows, n0, cols int, r *Rescale) []panel {
	switch need := (l.Count-1)*l.Step + (l.Width-1)*l.Stride + (p.segments-1)*l.SegStride + 4*p.quads; {
	case p.functions != k.int8:
		panic(fmt.Sprintf("kernels: int8: packed for %s, and not for %s", p.functions.path, k.int8.path))
	case rows != l.Count*l.Width:
		panic(fmt.Sprintf("kernels: int8: %d rows, but %d lines of %d", rows, l.Count, l.Width))
	case min(l.Step, l.Stride, l.SegStride) < 0 || need > len(a):
		panic(fmt.Sprintf("kernels: int8: %d bytes of A, of which %d are read", len(a), need))
	case r.To != to:
		panic("kernels: int8: factors for another format of the result")
	case len(r.scale) != len(p.sums):
		panic("kernels: int8: factors of another matrix")
	}
	width, end := 2*p.functions.lanes, n0+cols
	i, j := n0/width, end/width
	if end == p.N {
		j = len(p.panels)
	}
	inside := n0 >= 0 && end <= p.N && j <= len(p.panels)
	whole := n0%width == 0 && (end == p.N || end%width == 0)
	if !inside || !whole || (j < len(p.panels) && p.panels[j].from != end) {
		panic(fmt.Sprintf("kernels: int8: columns %d to %d of %d are not whole panels of %d", n0, end, p.N, width))
	}
	return p.panels[min(i, j):j]
}

// PanelWidth returns the number of columns of all panels but the last one.
func (p *PackedInt8) PanelWidth() int { return 2 * p.functions.lanes }

// Int8PanelWidth returns the number of columns of all panels of 8-bit products but the last one.
func (k *Set) Int8PanelWidth() int { return 2 * k.int8.lanes }

// following returns what the tiles of the first panel fetch together: the next panel, each a part of
// it.
func (p *PackedInt8) following(panels []panel, rows int) (next *int8, step int) {
	tile := p.functions.tile
	if panels[0].vectors == 3 {
		tile = tile * 2 / 3
	}
	tiles := (rows + tile - 1) / tile
	if tiles == 1 || len(panels) == 1 {
		return &p.data[panels[0].offset], 0
	}
	t := panels[1]
	return &p.data[t.offset], (4*t.vectors*p.functions.lanes + tiles - 1) / tiles
}

func (p *PackedInt8) work(l Lines, cols int) Work {
	w := Work{Kind: Product, Inner: p.segments * p.length, Columns: cols, Precision: INT8}
	if p.segments > 1 || l.Count > 1 {
		w.Kind = Convolution
	}
	return w
}
