package ops

// The kinds of the ops of this package: [Spec.Kind]. The kind of a backward op is the same name with
// [GradSuffix].
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

	// KindGradient is the kind of the ops of [Tape.ParamGrad], and KindRecompute of the ops that
	// compute activations again. Other ops cannot have these kinds.
	KindGradient  = "gradient"
	KindRecompute = "Recompute"

	// KindPack is not an op: the profile uses it for the time to pack weights before a run.
	KindPack = "pack"
)

// GradSuffix ends the kinds of backward ops.
const GradSuffix = "Grad"
