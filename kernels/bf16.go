package kernels

import (
	"fmt"
	"strings"
	"sync"
)

// BF16Path is one implementation of products in bfloat16.
type BF16Path string

// The paths, fastest first. BF16Go emulates the instructions of processors. Tests compare
// the others with it, and nothing else uses it unless the user asks for it.
const (
	BF16AMX    BF16Path = "amx"
	BF16AVX512 BF16Path = "avx512_bf16"
	BF16NEON   BF16Path = "neon_bf16"
	BF16Go     BF16Path = "go"
)

var bf16Paths = []BF16Path{BF16AMX, BF16AVX512, BF16NEON, BF16Go}

// BF16Variable is the environment variable that forces a path of bf16, or none with "off".
const BF16Variable = "FASTERNET_BF16"

// bf16Off is the path of sets that have no bf16 because BF16Variable is "off".
const bf16Off BF16Path = "off"

// productFunc multiplies rows of bfloat16 with a panel: C = alpha·A·B + D.
type productFunc func(
	m int, a *uint16, lda, segs, segPairs, segStride int, b *float32, c *float32, ldc int,
	d *float32, ldd int, alpha float32, cols int, next *float32, step int,
)

// halfTNFunc adds a product of transposed rows with pairs of rows: C += Aᵀ·B.
type halfTNFunc func(ka int, a *float32, lda int, b *float32, pairs int, c *float32, ldc int, cols int)

// halfFunctions is the table that a path fills. Its functions match the table functions,
// with bfloat16 factors. A pair is two bfloat16 values that are neighbours in the inner
// index, the first in the low half.
type halfFunctions struct {
	path    BF16Path
	variant Variant // that it runs with; "" for any
	checked sync.Once
	wrong   error // what the self check found
	step    int   // the inner index is padded with zeros to a multiple of it
	tiles   bool  // A is read in whole tiles, not in segments

	// nn multiplies rows of bfloat16 with a panel of pairs. The inner index has segments.
	nn [4]productFunc
	// nnHalf is nn with alpha = 1 and a result in bfloat16.
	nnHalf [4]productHalfFunc
	// tn computes C += Aᵀ·B, with A in pairs of rows and B a panel of them. If it is nil,
	// A is transposed and nn multiplies it.
	tn [4]halfTNFunc

	toHalf     func(rows, cols, fill int, dst *uint16, ldd int, src *float32, lds int)
	copyHalf   func(rows, cols int, dst *uint16, ldd int, src *uint16, lds int)
	fromHalf   func(rows, cols int, dst *float32, ldd int, src *uint16, lds int)
	interleave func(pairs, rows, cols int, dst *float32, ldd int, src *float32, lds int)
	// quads is interleave for panels in which four steps of the inner index lie next to each
	// other: rows 4·q to 4·q+3 become row q, of twice as many 32-bit values. If it is nil,
	// panels have pairs.
	quads func(quads, rows, cols int, dst *float32, ldd int, src *float32, lds int)

	// These compute an activation and convert its result, for float32 and bfloat16 inputs.
	affineHalf   [activationCount]affineHalfFunc
	affineHalves [activationCount]affineHalvesFunc
}

// group returns the number of steps of the inner index that lie next to each other in a panel.
func (f *halfFunctions) group() int {
	if f.quads != nil {
		return 4
	}
	return 2
}

// packRows converts rows to rows of pairs of a panel, or to half as many rows of quads.
func (f *halfFunctions) packRows(pairs, rows, cols int, panel *float32, width int, src *float32, lds int) {
	if f.quads != nil {
		f.quads(pairs/2, rows, cols, panel, 2*width, src, lds)
		return
	}
	f.interleave(pairs, rows, cols, panel, width, src, lds)
}

// halves holds the assembly paths that run here, and refusals the reasons why the others do
// not. Both are filled when the package is loaded.
var (
	halves   = map[BF16Path]*halfFunctions{}
	refusals = map[BF16Path]string{}
)

// halfOf returns a path for the panels of a variant, or nil.
func halfOf(p BF16Path, v Variant) *halfFunctions {
	if p == BF16Go {
		return plainHalf(variants[v].lanes)
	}
	if h := halves[p]; h != nil && h.variant == v {
		return h
	}
	return nil
}

// NoBF16Error says why there are no products in bfloat16.
type NoBF16Error struct{ Refusals []string }

func (e *NoBF16Error) Error() string {
	why := strings.Join(e.Refusals, "; ")
	if why == "" {
		why = "these kernels were made without it"
	}
	return fmt.Sprintf("there is no bf16 here: %s; take precision fp32 or auto (%s=go emulates it, slowly, for tests)",
		why, BF16Variable)
}

// BF16Refusals lists why paths of bf16 are not available to these kernels, fastest path first.
func (k *Set) BF16Refusals() []string {
	var out []string
	for _, p := range bf16Paths {
		if halves[p] == nil && refusals[p] == "" && p != BF16Go { // a path of another architecture
			continue
		}
		r := p.refusal(k.variant)
		if k.off {
			r = fmt.Sprintf("%s: %s=off", p, BF16Variable)
		}
		if r != "" {
			out = append(out, r)
		}
	}
	return out
}

// refusal returns the reason why p cannot be used with a variant, or "".
func (p BF16Path) refusal(v Variant) string {
	if k := sets[choice{v, p}]; k != nil {
		if err := k.half.verify(k.lanes); err != nil {
			return fmt.Sprintf("%s: %v", p, err)
		}
		return ""
	}
	f := halves[p]
	switch {
	case f != nil:
		return fmt.Sprintf("%s: needs the %s kernels, and the %s kernels are in use", p, f.variant, v)
	case refusals[p] != "":
		return fmt.Sprintf("%s: %s", p, refusals[p])
	}
	return fmt.Sprintf("%s: not for this architecture", p)
}

// AvailableBF16 lists the paths that can run here with a variant, fastest first.
func AvailableBF16(v Variant) []BF16Path {
	var out []BF16Path
	for _, p := range bf16Paths {
		if p.refusal(v) == "" {
			out = append(out, p)
		}
	}
	return out
}
