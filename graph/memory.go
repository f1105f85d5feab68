package graph

import (
	"fasternet/configs"
	"fasternet/internal/memory"
)

// checkMemory returns an error unless the parameters of a model, float32 values, fit into
// memory. The configuration may be from anybody: this comes before the first of them is
// made.
func checkMemory(parameters int) error {
	return memory.Check("the parameters of the model", 4*parameters)
}

// decoderValues is about how many values the decoders of a LocalMIM hold, their positions
// included.
func decoderValues(c *configs.Config) int {
	sum := 0
	for _, s := range c.MIMScales() {
		block := int((4 + 2*c.MIM.DecoderMLPRatio) * float64(s.DecoderDim) * float64(s.DecoderDim))
		sum += c.MIM.DecoderDepth*block + s.DecoderDim*(s.Dim+s.Values+s.Tokens*s.Tokens)
	}
	return sum
}
