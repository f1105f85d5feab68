package kernels

import (
	"fmt"
	"math"
)

// verify checks a path once, and returns what is wrong with it.
func (f *halfFunctions) verify(lanes int) error {
	f.checked.Do(func() { f.wrong = f.check(lanes) })
	return f.wrong
}

// check computes one product with f and compares it with the same product in Go. So a
// faulty processor, emulator or system costs speed, and not wrong results. bfloat16 holds the
// factors exactly, and 35 rows make whole tiles and a part of one.
func (f *halfFunctions) check(lanes int) error {
	const m, inner, vectors = 35, 96, 2
	width := vectors * lanes
	a, b, c := Aligned(roundUp(m, 16)*inner), Aligned(inner*width), Aligned(m*width)
	for i := range a {
		a[i] = float32(i%17) - 8
	}
	for i := range b {
		b[i] = float32(i%23)/4 - 2
	}
	rows, panel := Aligned(len(a)/2), Aligned(len(b)/2)
	converted := asHalves(rows)
	f.toHalf(m, inner, inner, &converted[0], inner, &a[0], inner)
	f.packRows(inner/2, inner, width, &panel[0], width, &b[0], width)
	f.nn[vectors](m, &converted[0], inner, 1, inner/2, 0, &panel[0], &c[0], width, nil, 0, 1, width, &panel[0], 0)
	for i := range m {
		for j := range width {
			var want float64
			for x := range inner {
				want += float64(a[i*inner+x]) * float64(b[x*width+j])
			}
			if got := float64(c[i*width+j]); !(math.Abs(got-want) <= 1e-3) {
				return fmt.Errorf("a product gave %v instead of %v: please report it with the output of version",
					got, want)
			}
		}
	}
	return nil
}
