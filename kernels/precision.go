package kernels

import "fmt"

// Precision is the number format in which matrix products read their factors. All products add up
// in float32, or for INT8 in integers. Everything else is float32.
type Precision int

// The precisions. INT8 is for models whose weights are 8-bit integers: it is a property of the
// model, and cannot be chosen. BF16 rounds both factors to bfloat16, a float32 with 8 bits of
// significand, when they are packed or converted: to the nearest, ties to even, denormals to zero.
const (
	FP32 Precision = iota
	BF16
	INT8
)

func (p Precision) String() string { return [...]string{"fp32", "bf16", Int8}[p] }

// Auto is the name of the precision that is bf16 if the processor has it.
const Auto = "auto"

// ParsePrecision reads the name of a precision: "fp32", "bf16" or "auto". The error says which names
// there are, or why these kernels have no bf16.
func (k *Set) ParsePrecision(name string) (Precision, error) {
	switch name {
	case "fp32":
		return FP32, nil
	case "bf16":
		if err := k.Check(BF16); err != nil {
			return FP32, err
		}
		return BF16, nil
	case Auto:
		if k.half != nil && k.half.path != BF16Go {
			return BF16, nil
		}
		return FP32, nil
	}
	return FP32, fmt.Errorf("precision %q: want fp32, bf16 or auto", name)
}

// Check returns a [NoBF16Error] if there are no products in that precision.
func (k *Set) Check(p Precision) error {
	if p == BF16 && k.half == nil {
		return &NoBF16Error{Refusals: k.BF16Refusals()}
	}
	return nil
}

// Describe names the variant, and in BF16 the path, of products in that precision.
func (k *Set) Describe(p Precision) string {
	if p == BF16 {
		return fmt.Sprintf("%s kernels, bf16 (%s)", k.variant, k.BF16())
	}
	if p == INT8 {
		return fmt.Sprintf("%s kernels, int8 (%s)", k.variant, k.Int8())
	}
	return fmt.Sprintf("%s kernels", k.variant)
}

// depth returns the number of rows of a packed matrix: rows of values, or of pairs of them.
func (k *Set) depth(rows int, in Precision) int {
	if in == FP32 {
		return rows
	}
	return roundUp(rows, k.half.step) / 2
}

// PackedLen returns the number of float32 that a packed matrix of the given size takes; in BF16 each
// of them holds two values. It panics if there is no BF16.
func (k *Set) PackedLen(rows, cols int, in Precision) int {
	if err := k.Check(in); err != nil {
		panic(err.Error())
	}
	return k.depth(rows, in) * roundUp(cols, k.lanes)
}

// RowStep returns the number of which the first row of a part of a packed matrix must be a multiple;
// see GemmBlock and GemmTNPacked.
func (k *Set) RowStep(in Precision) int {
	if in == FP32 {
		return 1
	}
	return k.half.step
}

func roundUp(n, step int) int { return (n + step - 1) / step * step }
