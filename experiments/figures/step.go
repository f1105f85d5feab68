package main

// step draws the life of a training step: what happens at the same time, and in which thread.
func step() (string, error) {
	d := &drawing{width: 980, height: 325}
	rows := []struct {
		y    float64
		name string
	}{{70, "loader"}, {150, "kernels' threads"}, {230, "other ranks"}, {290, "writer"}}
	for _, r := range rows {
		d.text(16, r.y+4, "start", faint, r.name)
		d.line(120, r.y, 960, r.y, "#e5e7eb", "")
	}
	d.text(120, 24, "start", ink, "One step, from left to right. What stands above or below runs at the same time.")
	d.box(220, 70, 190, 44, yellow, "batch i+1", "decode, crop, augment, mix")
	d.box(470, 70, 190, 44, yellow, "batch i+2", "decode, crop, augment, mix")
	d.box(720, 70, 190, 44, yellow, "batch i+3", "decode, crop, augment, mix")
	d.box(210, 150, 150, 52, blue, "forward", "fused blocks")
	d.box(350, 150, 90, 52, blue, "loss")
	d.box(520, 150, 210, 52, blue, "backward", "blocks in reverse order")
	d.box(700, 150, 100, 52, green, "clip", "norm, value, AGC")
	d.box(820, 150, 100, 52, green, "update", "AdamW, EMA")
	d.box(920, 150, 60, 52, grey, "log")
	for _, x := range [][2]float64{{285, 305}, {395, 415}, {625, 650}, {750, 770}, {870, 890}} {
		d.arrow(x[0], 150, x[1], 150)
	}
	d.box(540, 230, 230, 40, red, "sum of gradients, bucket by bucket")
	d.arrow(470, 176, 470, 210)
	d.arrow(655, 230, 690, 230, 690, 176)
	d.box(390, 290, 420, 44, grey, "checkpoint of the last epoch", "the update waits until its values have been read")
	d.arrow(600, 290, 820, 290, 820, 176)
	return d.svg("The life of a training step"), nil
}
