package main

import (
	"fmt"
	"math"
)

// scaling draws the speed-up over the number of threads from "More threads" in docs/benchmarks.md:
// measured with one and two threads, predicted by `bench threads` for more.
func scaling() (string, error) {
	d := &drawing{width: 640, height: 420}
	const left, top, w, h = 60, 40, 480, 320
	const most = 64.0
	threads := []float64{1, 2, 8, 16, 64}
	at := func(n, speedUp float64) (x, y float64) {
		return left + w*math.Log2(n)/math.Log2(most), top + h - h*math.Log2(speedUp)/math.Log2(most)
	}
	for n := 1.0; n <= most; n *= 2 {
		x, y := at(n, n)
		d.line(x, top, x, top+h, "#e5e7eb", "")
		d.line(left, y, left+w, y, "#e5e7eb", "")
		d.text(x, top+h+18, "middle", ink, fmt.Sprint(n))
		d.text(left-8, y+4, "end", ink, fmt.Sprint(n))
	}
	x, y := at(most, most)
	d.line(left, top+h, x, y, faint, "5 4")
	d.text(x-60, y+24, "end", faint, "ideal")
	for _, s := range []struct {
		name, colour string
		speedUp      []float64
	}{
		{"FasterNet-T0, batch 32", "#2563eb", []float64{1, 2.01, 7.46, 9.81, 9.04}},
		{"FasterNet-S, batch 8", "#059669", []float64{1, 1.9, 7.26, 11.89, 17.05}},
	} {
		path := ""
		for i, n := range threads {
			x, y := at(n, s.speedUp[i])
			path += fmt.Sprintf("%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x, y)
		}
		d.add(`<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`, path, s.colour)
		for i, n := range threads {
			x, y := at(n, s.speedUp[i])
			fill := "#ffffff"
			if n <= 2 {
				fill = s.colour
			}
			d.add(`<circle cx="%.1f" cy="%.1f" r="4" fill="%s" stroke="%s"/>`, x, y, fill, s.colour)
		}
		x, y := at(most, s.speedUp[len(threads)-1])
		d.text(x-4, y-12, "end", s.colour, s.name)
	}
	d.text(left, 24, "start", ink, "Training: speed-up over the number of threads. "+
		"Full dots are measured, the others predicted.")
	d.text(left+w/2, top+h+40, "middle", ink, "threads")
	return d.svg("Speed-up of training over the number of threads"), nil
}
