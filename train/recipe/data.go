package recipe

import "fasternet/configs"

var taskRule = rule{
	name: "The task", keys: []string{"task", "from"},
	reason: `A classifier is trained, or with ` + "`--task localmim`" + ` an encoder is pre-trained without
labels. With ` + "`--from`" + `, training starts from weights: this works better if you have weights for similar
images. The model, the image size and the normalisation then come from the weights. For colour pictures
that are not tiny, FasterNet weights in the cache of the hub (` + "`weights fetch`" + `) are used automatically;
` + "`--set from=`" + ` starts from fresh weights. If there are none, and fewer than 10,000
images, a note advises them.`,
	apply: func(d *draft) error {
		d.set("task", d.facts.Task, "")
		return nil
	},
}

var dataRule = rule{
	name: "Validation images",
	keys: []string{"data.name", "data.dir", "data.val_fraction", "data.val_split", "data.orientation"},
	reason: `The validation part of the data set is used if there is one. Otherwise some training
images are held out: a fifth of fewer than 1,000 images, 15 % of fewer than 10,000, a tenth of fewer
than 100,000, and 5 % of more. A small part would measure mostly chance: with 100 validation images, the
standard error of an accuracy of 80 % is 4 points. A hash of its name decides whether an image is held
out, so adding images moves no other. Copies of a file under other names, in whatever classes, stay in
one part: otherwise accuracy would be measured on images that the model knows. To find them, files of the
same size are compared by a few thousand bytes, and as a whole only if these agree. This does not find
copies with other bytes, such as an image that was saved again in another format: ` + "`data verify`" + ` lists
them.

Images are turned as the camera says (EXIF): phones often store them lying on their side.`,
	apply: func(d *draft) error {
		f := &d.facts
		d.set("data.name", f.Format, "")
		if f.Dir != "" {
			d.set("data.dir", f.Dir, "")
		}
		if f.Held > 0 {
			d.set("data.val_fraction", f.Held,
				"no validation part: %d of %d images are held out, by a hash of their names", f.Val,
				f.Train+f.Val)
			d.set("data.val_split", configs.GroupedSplit, "copies of a file stay in one part")
		}
		if f.Files {
			d.set("data.orientation", "exif", "images are turned as the camera says")
		}
		return nil
	},
}

// held returns the share of this many images to hold out for validation.
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
	reason: `Grey images get a model with one channel. Mean and standard deviation are measured
on the training images. With weights to start from, they stay as the weights were trained.`,
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
	reason: `The number of classes in the data set.`,
	apply: func(d *draft) error {
		if d.facts.Task == "classify" {
			d.set("model.num_classes", 0, "the number in the data set: %d", len(d.facts.Counts))
		}
		return nil
	},
}

var precisionRule = rule{
	name: "Precision", keys: []string{"precision"},
	reason: `Matrix products run in bf16 if the processor has instructions for it, otherwise in
float32. Weights, sums and norms are always float32. We have measured no loss of accuracy, and a step
takes about two thirds of the time.`,
	apply: func(d *draft) error {
		d.set("precision", "auto", "bf16 if the processor has it")
		return nil
	},
}
