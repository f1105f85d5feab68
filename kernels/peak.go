package kernels

import "fmt"

// A Peak measures the most operations that one thread can do: a loop of multiply-adds in
// registers, which waits neither for memory nor for an earlier result. Compare the speed of
// products with it.
type Peak struct {
	Format string // of the factors: fp32, bf16 or int8
	Path   string // avx512, avx2, neon, go, avx512_bf16, neon_bf16, amx_int8 and so on
	// Run does n rounds and returns the number of operations. A multiplication counts as one,
	// and so does an addition. Run is nil if Missing says why this machine has no such
	// instructions.
	Run     func(n int) (ops int)
	Missing string
}

// Int8 is the format of 8-bit integers.
const Int8 = "int8"

// Peaks returns the loops for all formats and for the paths of this architecture, the fastest path
// of a format first.
func Peaks() []Peak {
	all := peaksHere()
	for i := range all {
		p := &all[i]
		if p.Run == nil && p.Missing == "" {
			p.Run, p.Missing = peakLoop(p.Path)
		}
	}
	return all
}

// Peak returns the loop to compare products in a precision with. The error says why there is none:
// an emulation has no instructions of its own.
func (k *Set) Peak(in Precision) (Peak, error) {
	path := string(k.variant)
	if in == BF16 {
		if err := k.Check(in); err != nil {
			return Peak{}, err
		}
		path = string(k.half.path)
	}
	if in == INT8 {
		path = string(k.int8.path)
	}
	for _, p := range Peaks() {
		if p.Format == in.String() && p.Path == path && p.Run != nil {
			return p, nil
		}
	}
	return Peak{}, fmt.Errorf("kernels: %s (%s) has no peak: it is emulated", in, path)
}

// peakGo is the loop in Go. Compilers make scalar instructions of it: one fused instruction a step
// if the architecture always has it, and otherwise two.
func peakGo(n int) (ops int) {
	const sums = 8 // 4 cycles of latency times 2 units, as on Zen 5 and recent Intel
	x, y := peakFactors[0], peakFactors[1]
	// different values, or the compiler would keep one of them
	a, b, c, d, e, f, g, h := x, 2*x, 3*x, 4*x, 5*x, 6*x, 7*x, 8*x
	for range n {
		a = a*x + y
		b = b*x + y
		c = c*x + y
		d = d*x + y
		e = e*x + y
		f = f*x + y
		g = g*x + y
		h = h*x + y
	}
	return 2*sums*n + int(min(a+b+c+d+e+f+g+h, 0)) // uses the sums, and adds nothing
}

// peakFactors are variables, so that the compiler does not know them.
var peakFactors = [2]float32{1.0 / 2, 1}
