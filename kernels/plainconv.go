package kernels

// The convolutions of the plain variant that are not products.

func plainDWConv(
	lines, width, cols int,
	dst *float32, ldd, dstLine int,
	above *float32, ldAbove int,
	here *float32, lds int,
	below *float32, ldBelow int,
	srcLine int,
	w *float32, ldw int,
) {
	for l := range lines {
		for x := range width {
			out := row(dst, 1, l*dstLine+x*ldd, cols)
			clear(out)
			for dx := max(0, 1-x); dx < min(side, width+1-x); dx++ {
				a := row(above, 1, l*srcLine+(x+dx-1)*ldAbove, cols)
				h := row(here, 1, l*srcLine+(x+dx-1)*lds, cols)
				b := row(below, 1, l*srcLine+(x+dx-1)*ldBelow, cols)
				wa, wh, wb := row(w, dx, ldw, cols), row(w, side+dx, ldw, cols), row(w, 2*side+dx, ldw, cols)
				for c := range out {
					out[c] += wa[c]*a[c] + wh[c]*h[c] + wb[c]*b[c]
				}
			}
		}
	}
}

func plainGroupConv(
	width, inner int,
	src *float32, lds, line int,
	index *int32,
	w *float32,
	dst *float32, ldd int,
	cols int,
) {
	lanes := indices(index, inner*plainLanes)
	for x := range width {
		var sums [plainLanes]float32
		for dy := range side {
			for j := range inner {
				at := lanes[j*plainLanes:][:plainLanes]
				for dx := range side {
					in := row(src, 1, dy*line+(x+dx)*lds, plainLanes)
					wv := row(w, (dy*inner+j)*side+dx, plainLanes, plainLanes)
					for o := range sums {
						sums[o] += wv[o] * in[at[o]]
					}
				}
			}
		}
		copy(row(dst, x, ldd, cols), sums[:])
	}
}
