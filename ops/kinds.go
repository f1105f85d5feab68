package ops

// The kinds of the ops of this package: [Spec.Kind]. The backward op of a kind has the same
// name with [GradSuffix].
const (
	KindActivate            = "Activate"
	KindAdd                 = "Add"
	KindAttentionBlock      = "AttentionBlock"
	KindAvgPoolTokens       = "AvgPoolTokens"
	KindBranch              = "Branch"
	KindChannelSimilarity   = "ChannelSimilarity"
	KindClassifierLoss      = "ClassifierLoss"
	KindCutUnits            = "CutUnits"
	KindDequantise          = "Dequantise"
	KindEmbed               = "Embed"
	KindFasterNetBlock      = "FasterNetBlock"
	KindGlobalAvgPool       = "GlobalAvgPool"
	KindLayerNorm           = "LayerNorm"
	KindLinear              = "Linear"
	KindMLPBlock            = "MLPBlock"
	KindMeanTokens          = "MeanTokens"
	KindPatchConvNorm       = "PatchConvNorm"
	KindPatchEmbed          = "PatchEmbed"
	KindPatchMerge          = "PatchMerge"
	KindProject             = "Project"
	KindQuantise            = "Quantise"
	KindReconstruction      = "Reconstruction"
	KindReshape             = "Reshape"
	KindSelectTokens        = "SelectTokens"
	KindSide                = "Side"
	KindSoftmaxCrossEntropy = "SoftmaxCrossEntropy"

	// KindGradient is the kind of the ops of [Tape.ParamGrad], KindRecompute of the ops that
	// compute activations a second time. Other ops cannot have them.
	KindGradient  = "gradient"
	KindRecompute = "Recompute"

	// KindPack is no op: the profile has under it the time to pack weights before a run.
	KindPack = "pack"
)

// GradSuffix ends the kinds of backward ops.
const GradSuffix = "Grad"
