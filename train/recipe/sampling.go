package recipe

// unevenFrom is the ratio of the largest class to the smallest from which classes count as uneven.
const unevenFrom = 5

var samplingRule = rule{
	name: "Uneven classes", keys: []string{"data.sampling"},
	reason: `If the largest class has more than 5 times the images of the smallest, classes are
shown in proportion to the square root of their images. So rare classes are seen more often, but their
few images do not fill the batches. Accuracy counts every validation image the same. If rare classes
matter as much to you as frequent ones, ` + "`--set data.sampling=balanced`" + ` shows all classes equally often.`,
	apply: func(d *draft) error {
		if d.facts.Task == "classify" && d.facts.uneven() > unevenFrom {
			d.set("data.sampling", "sqrt", "the largest class has %.0f times the images of the smallest",
				d.facts.uneven())
		}
		return nil
	},
}
