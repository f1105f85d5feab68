package main

// pipeline draws LocalMIM.
func pipeline() (string, error) {
	d := &drawing{width: 980, height: 360}
	const y = 90
	d.box(80, y, 110, 56, grey, "image")
	d.box(230, y, 130, 56, yellow, "mask", "40 % stay visible")
	d.arrow(135, y, 165, y)
	last := 295.0
	for i, name := range []string{"stage 1", "stage 2", "stage 3", "stage 4"} {
		x := 400 + 150*float64(i)
		d.box(x, y, 100, 56, blue, name, "of the encoder")
		d.arrow(last, y, x-50, y)
		last = x + 50
		d.box(x, 190, 110, 50, green, "decoder", "small, one layer")
		d.arrow(x, y+28, x, 165)
		d.box(x, 270, 110, 44, red, "error")
		d.arrow(x, 215, x, 248)
		d.arrow(x, 292, x, 325)
	}
	d.text(400, 40, "start", ink, "The encoder computes visible patches only")
	d.arrow(80, y+28, 80, 270, 170, 270)
	d.box(240, 270, 140, 56, yellow, "targets", "gradients (HOG) of", "cells at each scale")
	d.arrow(310, 270, 345, 270)
	d.line(340, 325, 905, 325, ink, "")
	d.arrow(850, 325, 905, 325)
	d.text(340, 346, "start", ink, "The loss is the sum over the scales: "+
		"early stages learn from fine cells, late ones from coarse cells.")
	return d.svg("LocalMIM: masked pre-training with a decoder at several stages"), nil
}
