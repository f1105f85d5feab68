package recipe

var batchRule = rule{
	name: "Batch", keys: []string{"train.batch_size", "train.accum_steps"},
	reason: `Batches of 64: a processor gains little from larger ones, and a small data set needs many
steps rather than large ones. Fewer than 1,000 images get batches of 32, fewer than 200
batches of 16, and fewer than 20 a quarter of the images; more than 20,000 get 128. A
batch that does not fit into memory is halved, down to 16. If that is still too large, the
image size or the network becomes smaller. Gradients are not accumulated: a preset that
makes a batch of 4096 from 32 parts would make one step per epoch of a few thousand
images.`,
	apply: func(d *draft) error {
		why := "%d steps per epoch"
		if d.facts.Fits > 0 {
			why += "; larger batches do not fit into memory"
		}
		d.set("train.batch_size", batchOf(d.facts), why, d.facts.Train/batchOf(d.facts))
		d.set("train.accum_steps", 1, "every batch is a step")
		return nil
	},
}

// leastBatch is the size down to which a batch is halved if it does not fit into memory.
const leastBatch = 16

// batchOf returns the batch size that fits into memory, for this many images.
func batchOf(f Facts) int {
	if batch := batchFor(f.Train); f.Fits == 0 || batch < f.Fits {
		return batch
	}
	return f.Fits
}

// batchFor returns the batch size for this many images: an even number, because mixup pairs them.
func batchFor(n int) int {
	switch {
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
