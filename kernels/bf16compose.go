package kernels

// Some kernels of bf16 do two things in one pass, such as an activation and the conversion of
// its result. They are optional: complete builds the missing ones from other kernels, with the
// same bits in the results.

// halfActivation computes act(a·src + b), rounded to bfloat16.
type (
	affineHalfFunc   func(rows, cols int, dst *uint16, ldd int, src *float32, lds int, a, b *float32)
	affineHalvesFunc func(rows, cols int, dst *uint16, ldd int, src *uint16, lds int, a, b *float32)
	productHalfFunc  func(
		m int, a *uint16, lda, segs, segPairs, segStride int, b *float32, c *uint16, ldc int,
		d *float32, ldd int, cols int, next *float32, step int,
	)
)

// complete fills in the functions that h lacks; f are the functions of the variant that it
// runs with.
func (h *halfFunctions) complete(f *functions) {
	for act := range f.affine {
		if h.affineHalf[act] == nil {
			h.affineHalf[act] = h.composeAffineHalf(f.affine[act])
		}
		if h.affineHalves[act] == nil {
			h.affineHalves[act] = h.composeAffineHalves(f.affine[act])
		}
	}
	for i, nn := range h.nn {
		if nn != nil && h.nnHalf[i] == nil {
			h.nnHalf[i] = h.composeProduct(nn)
		}
	}
}

// someRows calls f for some rows of a matrix at a time, in memory of its own.
func someRows(rows, cols int, f func(from, n int, memory *float32)) {
	const values = 4096 // 16 KiB, a third of a first-level cache of 48 KiB
	most := min(rows, max(1, values/cols))
	s := tileScratches.Get().(*[]float32)
	defer tileScratches.Put(s)
	memory := &grow(s, most*cols)[0]
	for from := 0; from < rows; from += most {
		f(from, min(most, rows-from), memory)
	}
}

func (h *halfFunctions) composeAffineHalf(affine affineFunc) affineHalfFunc {
	return func(rows, cols int, dst *uint16, ldd int, src *float32, lds int, a, b *float32) {
		someRows(rows, cols, func(from, n int, memory *float32) {
			affine(n, cols, memory, cols, offset(src, from*lds), lds, a, b)
			h.toHalf(n, cols, cols, halfOffset(dst, from*ldd), ldd, memory, cols)
		})
	}
}

func (h *halfFunctions) composeAffineHalves(affine affineFunc) affineHalvesFunc {
	return func(rows, cols int, dst *uint16, ldd int, src *uint16, lds int, a, b *float32) {
		someRows(rows, cols, func(from, n int, memory *float32) {
			h.fromHalf(n, cols, memory, cols, halfOffset(src, from*lds), lds)
			affine(n, cols, memory, cols, memory, cols, a, b)
			h.toHalf(n, cols, cols, halfOffset(dst, from*ldd), ldd, memory, cols)
		})
	}
}

func (h *halfFunctions) composeProduct(nn productFunc) productHalfFunc {
	return func(
		m int, a *uint16, lda, segs, segPairs, segStride int, b *float32, c *uint16, ldc int,
		d *float32, ldd int, cols int, next *float32, step int,
	) {
		s := resultScratches.Get().(*[]float32)
		defer resultScratches.Put(s)
		memory := &grow(s, m*cols)[0]
		nn(m, a, lda, segs, segPairs, segStride, b, memory, cols, d, ldd, 1, cols, next, step)
		h.toHalf(m, cols, cols, c, ldc, memory, cols)
	}
}
