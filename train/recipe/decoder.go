package recipe

var decoderRule = rule{
	name: "Decoders of a pre-training", keys: []string{},
	reason: `The family chooses the section ` + "`mim`" + `: units of the last stage's stride, HOG targets,
and decoders whose width follows the encoder: a third of the width of a ViT, up to 256 as published
(four decoders 256 wide next to an encoder of 192 would take most of the time).`,
	apply: func(*draft) error { return nil },
}
