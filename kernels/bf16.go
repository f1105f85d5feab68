package kernels

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// BF16Path is one implementation of the products in bfloat16.
type BF16Path string

// The paths, fastest first. BF16Go emulates what processors do: it is what the
// others are tested against, and is used only where it is asked for.
const (
	BF16AMX    BF16Path = "amx"
	BF16AVX512 BF16Path = "avx512_bf16"
	BF16Go     BF16Path = "go"
)

var bf16Paths = []BF16Path{BF16AMX, BF16AVX512, BF16Go}

// BF16Variable is the environment variable that forces a path of bf16; "off" is
// for none.
const BF16Variable = "FASTERNET_BF16"

// halfFunctions is the table that a path fills. The functions are those of
// functions with another format of the factors; pairs are two bfloat16 values
// that are neighbours in the inner index, the first in the low half.
type halfFunctions struct {
	path    BF16Path
	variant Variant // that it runs with; "" for any
	checked bool    // it has computed a product right
	step    int     // the inner index is filled up with zeros to a multiple of it
	tiles   bool    // A is read in whole tiles, and is not walked in segments

	// nn is the product of rows of bfloat16 with a panel of pairs. The inner index
	// has segments.
	nn [4]func(m int, a *uint16, lda, segs, segPairs, segStride int, b *float32, c *float32, ldc int, d *float32, ldd int, alpha float32, cols int)
	// tn is C += Aᵀ·B with A in pairs of rows, and B a panel of them. Where it is
	// nil, A is transposed and the product is nn.
	tn [4]func(ka int, a *float32, lda int, b *float32, pairs int, c *float32, ldc int, cols int)

	toHalf     func(rows, cols, fill int, dst *uint16, ldd int, src *float32, lds int)
	fromHalf   func(rows, cols int, dst *float32, ldd int, src *uint16, lds int)
	interleave func(pairs, rows, cols int, dst *float32, ldd int, src *float32, lds int)
}

var (
	halves   = map[BF16Path]*halfFunctions{BF16Go: &plainHalf}
	refusals = map[BF16Path]string{} // why a path cannot run here
	h        *halfFunctions          // in use, or nil

	switchedOff bool // by BF16Variable
)

// NoBF16Error says why products in bfloat16 are refused.
type NoBF16Error struct{}

func (*NoBF16Error) Error() string {
	return fmt.Sprintf("there is no bf16 here: %s; take precision fp32 or auto (%s=go emulates it, slowly, for tests)", strings.Join(BF16Refusals(), "; "), BF16Variable)
}

// BF16Refusals are the reasons why paths of bf16 are not in use, fastest path
// first.
func BF16Refusals() []string {
	var out []string
	for _, p := range bf16Paths {
		if r := p.refusal(); r != "" {
			out = append(out, r)
		}
	}
	return out
}

// refusal is the reason why p cannot be used, or "".
func (p BF16Path) refusal() string {
	f := halves[p]
	switch {
	case switchedOff:
		return fmt.Sprintf("%s: %s=off", p, BF16Variable)
	case f == nil && refusals[p] != "":
		return fmt.Sprintf("%s: %s", p, refusals[p])
	case f == nil && slices.Contains(bf16Paths, p):
		return fmt.Sprintf("%s: not for this architecture", p)
	case f == nil:
		return ""
	case f.variant != "" && f.variant != current:
		return fmt.Sprintf("%s: needs the %s kernels, and the %s kernels are in use", p, f.variant, current)
	}
	return ""
}

// ActiveBF16 is the path of bf16 in use, or "" for none.
func ActiveBF16() BF16Path {
	if h == nil {
		return ""
	}
	return h.path
}

// AvailableBF16 lists the paths that can run here with the variant in use,
// fastest first.
func AvailableBF16() []BF16Path {
	var out []BF16Path
	for _, p := range bf16Paths {
		if p.refusal() == "" {
			out = append(out, p)
		}
	}
	return out
}

// UseBF16 makes p the path in use, or none if p is empty. It must not be called
// while kernels run, and what was packed in bf16 before is void.
func UseBF16(p BF16Path) error {
	if p == "" {
		h = nil
		return nil
	}
	if r := p.refusal(); r != "" {
		return fmt.Errorf("kernels: bf16 path %s", r)
	}
	f := halves[p]
	if f == nil {
		return fmt.Errorf("kernels: bf16 path %q: want one of %v", p, AvailableBF16())
	}
	if !f.checked {
		if err := f.check(); err != nil {
			refusals[p] = err.Error()
			delete(halves, p)
			return fmt.Errorf("kernels: bf16 path %s: %w", p, err)
		}
		f.checked = true
	}
	h = f
	return nil
}

// selectBF16 makes the path in use the one that BF16Variable names, or the
// fastest that is no emulation.
func selectBF16() error {
	h = nil
	name := strings.ToLower(os.Getenv(BF16Variable))
	switchedOff = name == "off"
	switch name {
	case "":
		for _, p := range AvailableBF16() {
			if p == BF16Go || UseBF16(p) == nil {
				break
			}
		}
	case "off":
	default:
		if err := UseBF16(BF16Path(name)); err != nil {
			return fmt.Errorf("%s=%s: %w", BF16Variable, name, err)
		}
	}
	return nil
}
