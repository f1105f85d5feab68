package recipe

var taskRule = rule{
	name: "The task", keys: []string{"task", "from"},
	reason: `A classifier is trained, or with ` + "`--task localmim`" + ` an encoder is pre-trained without labels. With
` + "`--from`" + ` training starts from weights: this is the better way where there are any for a similar kind of
images. The model, the image size and the normalisation then come from the weights. For pictures in colour
that are not tiny, weights of a FasterNet that are in the cache of the hub (` + "`weights fetch`" + `) are
taken without being asked; ` + "`--set from=`" + ` starts from fresh ones.`,
	apply: func(d *draft) error {
		d.set("task", d.facts.Task, "")
		return nil
	},
}

var dataRule = rule{
	name: "Validation images", keys: []string{"data.name", "data.dir", "data.val_fraction", "data.val_split", "data.orientation"},
	reason: `A validation part is used if there is one. Otherwise a part of the training images is held out: a fifth of
fewer than 1,000 images, 15 % of fewer than 10,000, a tenth of fewer than 100,000, and 5 % of more. With few
images a small part would measure by chance: with 100 validation images the standard error of an
accuracy of 80 % is 4 points. An image is held out by a hash of its name, so images with the same
name stay together, and adding images moves no other. Copies of an image under other names are not
found by that: ` + "`data verify`" + ` lists them.

Images are turned as their camera noted (EXIF): telephones write them lying on their side.`,
	apply: func(d *draft) error {
		f := &d.facts
		d.set("data.name", f.Format, "")
		if f.Dir != "" {
			d.set("data.dir", f.Dir, "")
		}
		if f.Held > 0 {
			d.set("data.val_fraction", f.Held, "there is no validation part: %d of %d images are held out, by a hash of their names", f.Val, f.Train+f.Val)
			d.set("data.val_split", "hash", "")
		}
		if f.Files {
			d.set("data.orientation", "exif", "images are turned as their camera noted")
		}
		return nil
	},
}

// held is the part of so many images that is held out for validation.
func held(images int) float64 {
	switch {
	case images < 1000:
		return 0.2
	case images < 10_000:
		return 0.15
	case images < 100_000:
		return 0.1
	}
	return 0.05
}

var pixelsRule = rule{
	name: "Channels and normalisation", keys: []string{"model.in_chans", "data.mean", "data.std"},
	reason: `Images without colours get a model with one channel. Mean and standard deviation are measured on the
training images. With weights to start from they stay as those were trained with.`,
	apply: func(d *draft) error {
		f := d.facts
		channels := 3
		if f.Grey {
			channels = 1
		}
		if f.From != "" {
			return nil
		}
		if f.Grey {
			d.set("model.in_chans", channels, "the images are grey")
		}
		if len(f.Mean) == channels {
			d.set("data.mean", f.Mean, "measured on the training images")
			d.set("data.std", f.Std, "")
		}
		return nil
	},
}

var classesRule = rule{
	name: "Classes", keys: []string{"model.num_classes"},
	reason: `As many as the data set has.`,
	apply: func(d *draft) error {
		if d.facts.Task == "classify" {
			d.set("model.num_classes", 0, "as many as the data set has: %d", len(d.facts.Counts))
		}
		return nil
	},
}

var precisionRule = rule{
	name: "Precision", keys: []string{"precision"},
	reason: `Matrix products run in bf16 where the processor has instructions for it, and in float32 elsewhere.
Weights, sums and norms are float32 in any case. It costs no accuracy that could be measured, and a step takes
about two thirds of the time.`,
	apply: func(d *draft) error {
		d.set("precision", "auto", "bf16 where the processor has it")
		return nil
	},
}
