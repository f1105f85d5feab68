package kernels

import "fmt"

// Precision is the number format in which matrix products read their factors.
// They add up in float32 either way, and all else is float32.
type Precision int

// The precisions. BF16 rounds both factors to bfloat16, a float32 with 8 bits of
// significand, as they are packed or converted: to the nearest, ties to even,
// denormals to zero.
const (
	FP32 Precision = iota
	BF16
)

func (p Precision) String() string { return [...]string{"fp32", "bf16"}[p] }

// Auto is the name of the precision that is bf16 where the processor has it.
const Auto = "auto"

// ParsePrecision reads the name of a precision: "fp32", "bf16" or "auto". The
// error says what the name must be, or why there is no bf16 here.
func ParsePrecision(name string) (Precision, error) {
	switch name {
	case "fp32":
		return FP32, nil
	case "bf16":
		if h == nil {
			return FP32, &NoBF16Error{}
		}
		return BF16, nil
	case Auto:
		if h != nil && h.path != BF16Go {
			return BF16, nil
		}
		return FP32, nil
	}
	return FP32, fmt.Errorf("precision %q: want fp32, bf16 or auto", name)
}

// Describe names the kernels in use for products in that precision.
func Describe(p Precision) string {
	if p == BF16 {
		return fmt.Sprintf("%s kernels, bf16 (%s)", current, h.path)
	}
	return fmt.Sprintf("%s kernels", current)
}

// depth is the number of rows of the packed form of a matrix with that many:
// rows of values, or of pairs of them.
func (p Precision) depth(rows int) int {
	if p == FP32 {
		return rows
	}
	return roundUp(rows, h.step) / 2
}

// PackedLen is the number of float32 that a packed matrix of the given size
// takes; in BF16 each has the room of two values.
func (p Precision) PackedLen(rows, cols int) int {
	lanes := p.lanes()
	return p.depth(rows) * roundUp(cols, lanes)
}

// lanes is the number of columns that panels are a multiple of.
func (p Precision) lanes() int {
	if p == BF16 && h == nil {
		panic((&NoBF16Error{}).Error())
	}
	return k.lanes
}

// RowStep is what a number of rows that begins a part of a packed matrix must
// be a multiple of; see GemmBlock and GemmTNPacked.
func (p Precision) RowStep() int {
	if p == FP32 {
		return 1
	}
	return h.step
}

// NewPacked makes room for a matrix of the given size.
func (p Precision) NewPacked(rows, cols int) *Packed {
	q := &Packed{Precision: p}
	q.Resize(rows, cols, Aligned(p.PackedLen(rows, cols)))
	return q
}

// GemmTN computes C += Aᵀ·B; see [GemmTN].
func (p Precision) GemmTN(c, a, b Matrix) {
	checkTN(c, a, b)
	if c.empty() || a.Rows == 0 {
		return
	}
	p.gemmTN(c, a.ptr(), a.Stride, 0, b.ptr(), b.Stride, 0, 1, a.Rows)
}

func (p Precision) gemmTN(c Matrix, a *float32, lda, outerA int, b *float32, ldb, outerB, outer, inner int) {
	if p == BF16 {
		gemmTNHalf(c, a, lda, outerA, b, ldb, outerB, outer, inner)
		return
	}
	gemmTN(c, a, lda, outerA, b, ldb, outerB, outer, inner)
}

func roundUp(n, step int) int { return (n + step - 1) / step * step }
