package main

import (
	"fmt"
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// AVX-512 computes GELU without an exponential. With y = |z| and the upper tail q(y) = Φ(-y) of the
// normal distribution,
//
//	gelu(z)  = max(z, 0) - y·q
//	gelu'(z) = [z > 0] ∓ (q + y·q')
//
// q is the fourth power of P, a polynomial of degree six in y - n for each interval n <= y < n+1. The
// fourth root falls so slowly that a polynomial follows it over the whole range of float32, so small
// negative results have small relative errors too. The other instruction sets cannot look 16 values
// up at once: see normal.
//
// tailTable makes the coefficients. Because of the fit gelu errs by at most 2.1e-8 and gelu' by 7e-8;
// TestGELUOfEveryExponent compares the kernels with float64.
const (
	tailDegree  = 6
	tailEntries = 16 // coefficients of a degree, as many as a vector holds
	tailUsed    = 14 // the others are zero, as y·q is read as 0 for y >= 14: it is below the smallest normal float32
	tailLimit   = tailUsed
)

// tailRoot returns P and its derivative.
func tailRoot(y float64) (p, slope float64) {
	p = math.Sqrt(math.Sqrt(math.Erfc(y/math.Sqrt2) / 2))
	density := math.Exp(-y*y/2) / math.Sqrt(2*math.Pi)
	return p, -density / (4 * p * p * p)
}

// tailTable fits the polynomials. Row j holds the coefficients of degree j. The fit minimises the sum
// of the squared errors of gelu and gelu' at 200 Chebyshev points of an interval, to first order in
// the error of P; from y = 2 on, it takes these errors relative to q. Coefficients are rounded one
// after the other, from the highest degree, and the lower ones make up for the rounding.
func tailTable() (table [tailDegree + 1][tailEntries]float32) {
	const points = 200
	for i := range tailUsed {
		columns := make([][]float64, tailDegree+1)
		var rest []float64 // what the coefficients that are not rounded yet have to add up to
		for n := range points {
			x := 0.5 + 0.5*math.Cos(math.Pi*(2*float64(n)+1)/(2*points))
			y := float64(i) + x
			p, slope := tailRoot(y)
			scale := p * p * p
			if i > 1 {
				scale = 1 / p
			}
			value, ofP, ofSlope := scale*4*y, scale*4*(1+3*y*slope/p), scale*4*y
			power, before := 1.0, 0.0 // x^j and its derivative
			for j := range columns {
				columns[j] = append(columns[j], value*power, ofP*power+ofSlope*before)
				power, before = power*x, power+before*x
			}
			rest = append(rest, value*p, ofP*p+ofSlope*slope)
		}
		for j := tailDegree; j >= 0; j-- {
			c := lastOfFit(columns[:j+1], rest)
			table[j][i] = float32(c)
			for n := range rest {
				rest[n] -= float64(table[j][i]) * columns[j][n]
			}
		}
	}
	return table
}

// lastOfFit returns the factor of the last column in the sum of columns that is nearest to want. It
// projects want onto the part of that column that is orthogonal to the others.
func lastOfFit(columns [][]float64, want []float64) float64 {
	var units [][]float64
	for _, column := range columns {
		v := slices.Clone(column)
		for range 2 { // the second time for rounding errors
			for _, u := range units {
				f := dot(u, v)
				for n := range v {
					v[n] -= f * u[n]
				}
			}
		}
		f := 1 / math.Sqrt(dot(v, v))
		for n := range v {
			v[n] *= f
		}
		units = append(units, v)
	}
	last := units[len(units)-1]
	return dot(last, want) / dot(last, columns[len(columns)-1])
}

func dot(a, b []float64) (sum float64) {
	for n := range a {
		sum += a[n] * b[n]
	}
	return sum
}

// tail is what the loops keep in registers.
type tail struct {
	coefficients       []reg.Register // of P, one register for each degree
	none, limit, whole reg.Register
}

func (s *isa) loadTail() *tail {
	t := &tail{s.vecs(tailDegree + 1), s.zero(), s.splat(tailLimit), s.splat(wholeBits)}
	if s.tails.Base == nil {
		s.tails = GLOBL("tails", 8|16) // RODATA|NOPTR
		for j, row := range tailTable() {
			for i, c := range row {
				DATA(4*(tailEntries*j+i), U32(math.Float32bits(c)))
			}
		}
	}
	for j, c := range t.coefficients {
		VMOVUPS(s.tails.Offset(4*tailEntries*j), c)
	}
	return t
}

// lookups takes some vectors through the computation, step after step:
//
//	magnitudes:  y of z
//	locate:      the interval of y, in the low bits of at, and the distance d from its start
//	polynomials: p is P and, for gradients, e its derivative
//	gelu, geluGrad
type lookups struct {
	*isa
	*tail
	z, y, at, d, p, e []reg.Register
}

func (s *isa) newLookups(t *tail, n int) *lookups {
	return &lookups{s, t, s.vecs(n), s.vecs(n), s.vecs(n), s.vecs(n), s.vecs(n), s.vecs(n)}
}

// magnitudes keeps NaN if the result is a gradient. Otherwise NaN comes from z.
func (g *lookups) magnitudes(gradient bool) {
	for i, z := range g.z {
		y := g.y[i]
		if gradient {
			g.bitsAnd(0x7fffffff, z, y)
			VMINPS(y, g.limit, y) // if one is NaN, x86 returns the second source
		} else {
			VRANGEPS(U8(2<<2|2), g.limit, z, y) // the smaller magnitude, without a sign
		}
	}
}

func (g *lookups) locate() {
	for i, y := range g.y {
		VADDPS_RD_SAE(g.whole, y, g.at[i]) // the last bit of the sum is worth one
		VREDUCEPS(U8(1), y, g.d[i])
	}
}

func (g *lookups) polynomials(gradient bool) {
	for i, p := range g.p {
		VPERMPS(g.coefficients[tailDegree], g.at[i], p)
		if gradient {
			VMOVAPS(p, g.e[i])
		}
	}
	for j := tailDegree - 1; j >= 0; j-- {
		for i, p := range g.p {
			c := g.vec()
			VPERMPS(g.coefficients[j], g.at[i], c)
			VFMADD213PS(c, g.d[i], p)
			if gradient && j > 0 {
				VFMADD213PS(p, g.d[i], g.e[i])
			}
		}
	}
}

// gelu replaces z by gelu(z). It does not compute q first, because q may be too small for a float32
// although y·q is not.
func (g *lookups) gelu() {
	for i, z := range g.z {
		p, y := g.p[i], g.y[i]
		g.positivePart(z)
		VMULPS(p, p, p)
		VMULPS(p, y, y)
		VFNMADD231PS(p, y, z)
	}
}

// positivePart replaces z by max(z, 0).
func (g *lookups) positivePart(z reg.Register) {
	VMAXPS(z, g.none, z) // if one is NaN, x86 returns the second source
}

// geluGrad replaces z by gelu(z), and e by gelu'(z).
func (g *lookups) geluGrad() {
	for i, z := range g.z {
		p, y, e := g.p[i], g.y[i], g.e[i]
		root, w, positive, others := g.vec(), g.vec(), K(), K()
		VMULPS(p, p, root)
		VMULPS_BCST(g.float(4), y, w)
		VFMADD213PS(p, w, e) // with q = P⁴, q + y·q' is P³·(P + 4·y·P')
		VMULPS(root, y, y)
		VMULPS(root, p, p)
		VCMPPS(U8(6), g.none, z, positive) // not z <= 0
		KNOTW(positive, others)
		g.positivePart(z)
		VFNMADD213PS_BCST(g.float(1), p, positive, e)
		VMULPS(p, e, others, e)
		VFNMADD231PS(root, y, z)
	}
}

// affineGELU emits the loops of affine with GELU, and ends the function.
func (s *isa) affineGELU(dst, src *matrix) {
	t := s.loadTail()
	s.columns(s.loadGP("cols"), 2, func(ks []mask, off reg.GPVirtual) {
		a, b, g := s.vectorsAt("a", off, ks), s.vectorsAt("b", off, ks), s.newLookups(t, len(ks))
		startAt(off, dst, src)
		s.pipeline(1,
			func(int) {
				for i, k := range ks {
					s.load(src.mem(s, i), k, g.z[i])
					VFMADD213PS(b[i], a[i], g.z[i])
				}
				src.next()
				g.magnitudes(false)
				g.locate()
			},
			func(int) {
				g.polynomials(false)
				g.gelu()
				for i, k := range ks {
					s.store(g.z[i], k, dst.mem(s, i))
				}
				dst.next()
			},
		)
	})
	s.done()
}

// affineGELUGrad emits the loops of affineGrad with GELU, and ends the function.
func (s *isa) affineGELUGrad(y, dz, x, dy *matrix) {
	t := s.loadTail()
	s.columns(s.loadGP("cols"), 2, func(ks []mask, off reg.GPVirtual) {
		a, b, mean := s.vectorsAt("a", off, ks), s.columnsAt("b", off, ks), s.columnsAt("mean", off, ks)
		sum, dot := s.zeros(ks), s.zeros(ks)
		first, last, in, kept := s.newLookups(t, 1), s.newLookups(t, 1), s.vec(), s.vec() // in and kept are x
		first.p, first.e = last.p, last.e
		rowDone := func(i int, ms ...*matrix) {
			if i == len(ks)-1 {
				for _, m := range ms {
					m.next()
				}
			}
		}
		read := func(i int) {
			z := first.z[0]
			s.load(x.mem(s, i), ks[i], in)
			x.fetch(s, i)
			VMOVAPS(in, z)
			VFMADD213PS(b[i], a[i], z)
			rowDone(i, x)
			first.magnitudes(true)
			first.locate()
		}
		write := func(i int) {
			last.geluGrad()
			g, v := last.e[0], s.vec()
			s.load(dy.mem(s, i), ks[i], v)
			dz.fetch(s, i)
			VMULPS(v, g, g)
			s.store(last.z[0], ks[i], y.mem(s, i))
			s.store(g, ks[i], dz.mem(s, i))
			VADDPS(g, sum[i], sum[i])
			VSUBPS(mean[i], kept, kept)
			VFMADD231PS(g, kept, dot[i])
			rowDone(i, y, dz, dy)
		}
		startAt(off, y, dz, x, dy)
		s.pipeline(len(ks), read, func(int) {
			VMOVAPS(in, kept)
			VMOVAPS(first.z[0], last.z[0])
			VMOVAPS(first.y[0], last.y[0])
			first.polynomials(true)
		}, write)
		s.accumulate("sum", off, ks, sum)
		s.accumulate("dot", off, ks, dot)
	})
	s.done()
}

// columnsAt is vectorsAt for kernels with few registers: if there are several vectors, instructions
// read them from memory.
func (s *isa) columnsAt(param string, off reg.GPVirtual, ks []mask) []Op {
	ops := make([]Op, len(ks))
	if len(ks) == 1 {
		ops[0] = s.vectorsAt(param, off, ks)[0]
		return ops
	}
	p := s.loadGP(param)
	for i := range ks {
		ops[i] = s.at(p, off, i)
	}
	return ops
}

// pipeline emits a loop over the rows, at least one, that works on several vectors at a time. While
// a vector is in a stage, the next one is in the stage before. A vector is a chain of instructions
// that wait for each other, and the processor has room for few waiting instructions. A row has n
// vectors: one, or one less than there are stages. A stage gets the number of its vector, and moves
// the pointers. Stages hand results on in registers, so a stage is emitted before the stage that
// it gets its values from.
func (s *isa) pipeline(n int, stages ...func(i int)) {
	rows, id, last := s.loadGP("rows"), label("rows"), len(stages)-1
	emit := func(time, from, to int) {
		for stage := to; stage >= from; stage-- {
			stages[stage]((time + last*n - stage) % n)
		}
	}
	drain := func(filled int) { // that many vectors are on their way
		for i := range last {
			emit(i, i+1, min(i+filled, last))
		}
	}
	for i := range last {
		emit(i, 0, i)
		if (i+1)%n > 0 {
			continue
		}
		DECQ(rows)
		if i+1 < last {
			more := fmt.Sprintf("%s_fill%d", id, i)
			JNZ(LabelRef(more))
			drain(i + 1)
			JMP(LabelRef(id + "_end"))
			Label(more)
		}
	}
	JZ(LabelRef(id + "_drain"))
	Label(id + "_loop")
	for i := range n {
		emit(i, 0, last)
	}
	DECQ(rows)
	JNZ(LabelRef(id + "_loop"))
	Label(id + "_drain")
	drain(last)
	Label(id + "_end")
}
