package recipe

// unevenFrom is from which ratio on of the largest class to the smallest one classes count as uneven.
const unevenFrom = 5

var samplingRule = rule{
	name: "Uneven classes", keys: []string{"data.sampling"},
	reason: `Where the largest class has more than 5 times the images of the smallest one, classes are shown in proportion
to the square root of their images. So rare classes are seen more often, without the few images of a
rare class filling the batches. Accuracy counts every validation image the same: if rare classes matter as
much as frequent ones to you, ` + "`--set data.sampling=balanced`" + ` shows all classes equally often.`,
	apply: func(d *draft) error {
		if d.facts.Task == "classify" && d.facts.uneven() > unevenFrom {
			d.set("data.sampling", "sqrt", "the largest class has %.0f times the images of the smallest", d.facts.uneven())
		}
		return nil
	},
}
