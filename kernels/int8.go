package kernels

import (
	"fmt"
	"math"
	"sync"
	"unsafe"
)

// Int8Path is one implementation of the products of 8-bit values. Sums are integers, so all paths
// give the same bits.
type Int8Path string

// The paths. Int8Exact needs four instructions of AVX2 for one of the others.
const (
	Int8AVX512 Int8Path = "avx512_vnni"
	Int8AVX    Int8Path = "avx_vnni"
	Int8Exact  Int8Path = "avx2"
	Int8NEON   Int8Path = "neon_dotprod"
	Int8Go     Int8Path = "go"
)

type (
	// dotFunc multiplies rows of bytes with a panel, with a result in bytes.
	dotFunc func(
		m int, a *uint8, lda, segs, segQuads, segStride int,
		b *int8, begin *int32,
		c *uint8, ldc int,
		d *uint8, ldd int, dscale float32,
		scale, shift *float32, table *uint8,
		cols int, next *int8, step int,
	)

	// dotFloatFunc multiplies rows of bytes with a panel, with a result in float32.
	dotFloatFunc func(
		m int, a *uint8, lda, segs, segQuads, segStride int,
		b *int8, begin *int32,
		c *float32, ldc int,
		d *float32, ldd int,
		scale, shift *float32,
		cols int, next *int8, step int,
	)
)

// int8Functions is the table that a path fills. A quad is four bytes that are neighbours in the
// inner index.
type int8Functions struct {
	path  Int8Path
	lanes int  // columns of a vector of a panel
	tile  int  // rows of a tile of registers
	masks bool // a panel may have fewer columns than its width; otherwise it is computed as a whole
	table bool // the products look up their results
	nn    [4]dotFunc
	float [4]dotFloatFunc
	// toBytes converts groups of values; nil for the plain function.
	toBytes func(groups int, dst *uint8, src *float32, scale, shift float32)
	group   int
}

// int8Paths holds the paths that the processor can run.
var int8Paths = map[Int8Path]*int8Functions{Int8Go: plainInt8(16)}

// int8Candidates lists the paths for the panels of a variant, fastest first.
var int8Candidates = map[Variant][]Int8Path{
	AVX512: {Int8AVX512, Int8AVX, Int8Exact},
	AVX2:   {Int8AVX, Int8Exact},
	NEON:   {Int8NEON},
}

// int8Of returns the fastest path for a variant.
func int8Of(v Variant) *int8Functions {
	for _, p := range int8Candidates[v] {
		if f := int8Paths[p]; f != nil {
			return f
		}
	}
	return int8Paths[Int8Go]
}

// Int8 returns the path of the products of 8-bit values.
func (k *Set) Int8() Int8Path { return k.int8.path }

// Bytes is a row-major matrix of 8-bit values inside a slice: element (r, c) is Data[r·Stride+c].
type Bytes struct {
	Data               []uint8
	Rows, Cols, Stride int
}

// NewBytes returns the contiguous rows × cols matrix over data.
func NewBytes(data []uint8, rows, cols int) Bytes {
	return Bytes{Data: data, Rows: rows, Cols: cols, Stride: cols}
}

// BytesOf returns memory for values of float32 as memory for bytes.
func BytesOf(v []float32) []uint8 {
	return unsafe.Slice((*uint8)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// Slice returns rows [from, to) of m, which share its memory.
func (m Bytes) Slice(from, to int) Bytes {
	m.Data = m.Data[min(from*m.Stride, len(m.Data)):]
	m.Rows = to - from
	return m
}

// Columns returns columns [from, to) of m, which share its memory.
func (m Bytes) Columns(from, to int) Bytes {
	m.Data = m.Data[min(from, len(m.Data)):]
	m.Cols = to - from
	return m
}

// Row returns row r of m.
func (m Bytes) Row(r int) []uint8 { return m.Data[r*m.Stride:][:m.Cols] }

// ptr returns the address of the first element, and checks that the slice has enough bytes.
func (m Bytes) ptr(need int) *uint8 {
	if need > len(m.Data) || m.Stride < 0 {
		panic(fmt.Sprintf("kernels: a %d×%d matrix of bytes of stride %d needs %d bytes, the slice has %d",
			m.Rows, m.Cols, m.Stride, need, len(m.Data)))
	}
	return unsafe.SliceData(m.Data)
}

func (m Bytes) size() int { return (m.Rows-1)*m.Stride + m.Cols }

// CopyBytes copies src to dst.
func (k *Set) CopyBytes(dst, src Bytes) {
	if dst.Rows != src.Rows || dst.Cols != src.Cols {
		panic(fmt.Sprintf("kernels: CopyBytes: %d×%d into %d×%d", src.Rows, src.Cols, dst.Rows, dst.Cols))
	}
	defer k.Begin().End(Work{Kind: Copying}, 2*src.Rows*src.Cols)
	for r := range src.Rows {
		copy(dst.Row(r), src.Row(r))
	}
}

// Lines says how a product walks its left-hand side in segments, the rows of a kernel. Each line of
// the result has Width rows of A, Stride bytes apart.
type Lines struct {
	Count, Width int
	Step         int // bytes from a line to the next
	Stride       int // bytes from a row to the next
	SegStride    int // bytes from a segment to the next
}

// Slack is the number of bytes that must be readable after the last row of a left-hand side,
// because products read it in quads.
const Slack = 3

// GemmInt8 computes C = table[round(scale·(A·B) + shift + dscale·D)], at least 0 and at most 255.
// A is [rows, K]; C may be columns n0, n0+1, … of the result, which must be whole panels. D has the
// size of C, or no data. Ties are rounded to even; scale·sum + shift is rounded once, and the
// addition of dscale·D once more.
func (k *Set) GemmInt8(c Bytes, n0 int, a Bytes, b *PackedInt8, r *Rescale, d Bytes, dscale float32) {
	k.ConvolveInt8(c, n0, a.Data, Lines{Count: 1, Width: c.Rows, Stride: a.Stride}, b, r, d, dscale)
}

// ConvolveInt8 is GemmInt8 with a left-hand side that lines walk.
func (k *Set) ConvolveInt8(c Bytes, n0 int, a []uint8, l Lines, b *PackedInt8, r *Rescale, d Bytes, dscale float32) {
	if c.Rows <= 0 || c.Cols <= 0 {
		return
	}
	panels, lap := b.begin(k, ToBytes, a, l, c.Rows, n0, c.Cols, r), k.Begin()
	cp := c.ptr(c.size())
	var dp *uint8
	if d.Data != nil {
		if d.Rows != c.Rows || d.Cols != c.Cols {
			panic(fmt.Sprintf("kernels: GemmInt8: adding %d×%d to %d×%d", d.Rows, d.Cols, c.Rows, c.Cols))
		}
		dp = d.ptr(d.size())
	}
	f := k.int8
	var table *uint8
	if r.Table != nil && f.table {
		table = &r.Table[0]
	}
	for i, t := range panels {
		width := t.vectors * f.lanes
		next, step := b.following(panels[i:], c.Rows)
		for y := range l.Count {
			ap, at := &a[y*l.Step], y*l.Width
			ct := byteAt(cp, at*c.Stride+t.from-n0)
			var dt *uint8
			if dp != nil {
				dt = byteAt(dp, at*d.Stride+t.from-n0)
			}
			to, ldc, from, ldd := ct, c.Stride, dt, d.Stride
			var s *byteScratch
			if t.cols < width && !f.masks {
				s = byteScratches.Get().(*byteScratch)
				to, ldc = s.room(&s.c, l.Width*width), width
				if dt != nil {
					from, ldd = s.room(&s.d, l.Width*width), width
					copyByteRows(l.Width, t.cols, from, ldd, dt, d.Stride)
				}
			}
			f.nn[t.vectors](l.Width, ap, l.Stride, b.segments, b.quads, l.SegStride, &b.data[t.offset], &b.sums[t.from],
				to, ldc, from, ldd, dscale, &r.scale[t.from], &r.shift[t.from], table, t.cols, next, step)
			if s != nil {
				copyByteRows(l.Width, t.cols, ct, c.Stride, to, ldc)
				byteScratches.Put(s)
			}
		}
	}
	if r.Table != nil && !f.table {
		for i := range c.Rows {
			row := c.Row(i)
			for j, v := range row {
				row[j] = r.Table[v]
			}
		}
	}
	lap.End(b.work(l, c.Cols), 2*c.Rows*b.segments*b.length*c.Cols)
}

// GemmInt8Float computes C = scale·(A·B) + shift + D in float32; see GemmInt8.
func (k *Set) GemmInt8Float(c Matrix, n0 int, a Bytes, b *PackedInt8, r *Rescale, d Matrix) {
	k.ConvolveInt8Float(c, n0, a.Data, Lines{Count: 1, Width: c.Rows, Stride: a.Stride}, b, r, d)
}

// ConvolveInt8Float is GemmInt8Float with a left-hand side that lines walk.
func (k *Set) ConvolveInt8Float(c Matrix, n0 int, a []uint8, l Lines, b *PackedInt8, r *Rescale, d Matrix) {
	if c.empty() {
		return
	}
	panels, lap := b.begin(k, ToFloats, a, l, c.Rows, n0, c.Cols, r), k.Begin()
	cp, f := c.ptr(), k.int8
	var dp *float32
	if d.Data != nil {
		same("ConvolveInt8Float", c, d)
		dp = d.ptr()
	}
	for i, t := range panels {
		width := t.vectors * f.lanes
		next, step := b.following(panels[i:], c.Rows)
		for y := range l.Count {
			at := y * l.Width
			ct := offset(cp, at*c.Stride+t.from-n0)
			var dt *float32
			if dp != nil {
				dt = offset(dp, at*d.Stride+t.from-n0)
			}
			to, ldc, from, ldd := ct, c.Stride, dt, d.Stride
			var s *[]float32
			if t.cols < width && !f.masks {
				s = tileScratches.Get().(*[]float32)
				room := grow(s, 2*l.Width*width)
				to, ldc = &room[0], width
				if dt != nil {
					from, ldd = &room[l.Width*width], width
					plain.copyRows(l.Width, t.cols, from, ldd, dt, d.Stride)
				}
			}
			f.float[t.vectors](
				l.Width, &a[y*l.Step], l.Stride, b.segments, b.quads, l.SegStride, &b.data[t.offset], &b.sums[t.from],
				to, ldc, from, ldd, &r.scale[t.from], &r.shift[t.from], t.cols, next, step,
			)
			if s != nil {
				plain.copyRows(l.Width, t.cols, ct, c.Stride, to, ldc)
				tileScratches.Put(s)
			}
		}
	}
	lap.End(b.work(l, c.Cols), 2*c.Rows*b.segments*b.length*c.Cols)
}

// Quantise computes dst = round(scale·x + shift), at least 0 and at most 255; NaN becomes 255.
func (k *Set) Quantise(dst []uint8, x []float32, scale, shift float32) {
	if len(dst) < len(x) {
		panic(fmt.Sprintf("kernels: Quantise: %d values into %d", len(x), len(dst)))
	}
	defer k.Begin().End(Work{Kind: Conversion}, 5*len(x))
	done := 0
	if f := k.int8; f.toBytes != nil {
		if n := len(x) / f.group; n > 0 {
			f.toBytes(n, &dst[0], &x[0], scale, shift)
			done = n * f.group
		}
	}
	for i, v := range x[done:] {
		dst[done+i] = toByte(fused(scale, v, shift))
	}
}

// Dequantise computes dst = scale·(x - zero).
func (k *Set) Dequantise(dst []float32, x []uint8, scale float32, zero uint8) {
	defer k.Begin().End(Work{Kind: Conversion}, 5*len(x))
	var table [256]float32
	for i := range table {
		table[i] = scale * float32(i-int(zero))
	}
	for i, v := range x {
		dst[i] = table[v]
	}
}

// PadBytes is [PConv.Pad] for a map of bytes. Pixels outside of the image become zero.
func (p PConv) PadBytes(k *Set, dst []uint8, image Bytes, y int, zero uint8) {
	c, line := p.Channels, (p.Width+2)*p.Channels
	defer k.Begin().End(Work{Kind: Copying}, 2*p.PaddedLen())
	fill := func(b []uint8) {
		for i := range b {
			b[i] = zero
		}
	}
	for i := range p.Height + 2 {
		out := dst[i*line:][:line]
		from := (y + i - 1) * p.Width
		if from < 0 || from >= image.Rows {
			fill(out)
			continue
		}
		fill(out[:c])
		for x := range p.Width {
			copy(out[(x+1)*c:][:c], image.Data[(from+x)*image.Stride:])
		}
		fill(out[line-c:])
	}
}

// byteScratch is memory for panels with fewer columns than their vectors have.
type byteScratch struct{ c, d []uint8 }

var byteScratches = sync.Pool{New: func() any { return new(byteScratch) }}

func (*byteScratch) room(b *[]uint8, n int) *uint8 {
	if len(*b) < n {
		*b = make([]uint8, roundUp(n, 1<<12))
	}
	return &(*b)[0]
}

func byteAt(p *uint8, n int) *uint8 { return (*uint8)(unsafe.Add(unsafe.Pointer(p), n)) }

func copyByteRows(rows, cols int, dst *uint8, ldd int, src *uint8, lds int) {
	for r := range rows {
		copy(unsafe.Slice(byteAt(dst, r*ldd), cols), unsafe.Slice(byteAt(src, r*lds), cols))
	}
}

// fused returns a·b + c, rounded once to float32. In float64 the product is exact, and the sum is
// rounded to odd, so that rounding it again gives the right result (Boldo and Melquiond, 2008).
func fused(a, b, c float32) float32 {
	p, z := float64(a)*float64(b), float64(c)
	sum := p + z
	back := sum - p
	rest := (p - (sum - back)) + (z - back)
	if bits := math.Float64bits(sum); rest != 0 && bits&1 == 0 && !math.IsInf(sum, 0) && rest == rest {
		if (rest > 0) == (sum > 0) {
			bits++
		} else {
			bits--
		}
		sum = math.Float64frombits(bits)
	}
	return float32(sum)
}

// toByte rounds to the nearest integer, ties to even, at least 0 and at most 255.
func toByte(v float32) uint8 {
	switch {
	case v <= 0:
		return 0
	case v < 255:
		return uint8(math.RoundToEven(float64(v)))
	}
	return 255
}
