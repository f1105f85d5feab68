package recipe

var batchRule = rule{
	name: "Batch", keys: []string{"train.batch_size", "train.accum_steps"},
	reason: `Batches of 64: a processor gains little from larger ones, and a small data set needs
many steps rather than large ones. Fewer than 1,000 images get batches of 32, fewer than 200 batches of
16, and fewer than 20 a quarter of the images; more than 20,000 get 128. Gradients are not accumulated:
a preset that makes a batch of 4096 from 32 parts would make one step per epoch of a few thousand
images.`,
	apply: func(d *draft) error {
		d.set("train.batch_size", batchOf(d.facts), "%d steps per epoch", d.facts.Train/batchOf(d.facts))
		d.set("train.accum_steps", 1, "every batch is a step")
		return nil
	},
}

// batchOf returns the batch size for this many images: an even number, because mixup pairs them.
func batchOf(f Facts) int {
	switch n := f.Train; {
	case n < 20:
		return max(n/4*2, 2)
	case n < 200:
		return 16
	case n < 1000:
		return 32
	case n <= 20_000:
		return 64
	}
	return 128
}
