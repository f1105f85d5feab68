package train

import (
	"fmt"

	"fasternet/configs"
)

// describeLayers describes how the learning rate falls from layer to layer.
func describeLayers(c configs.Optim) string {
	if c.LayerDecay == 1 {
		return ""
	}
	return fmt.Sprintf(" × %g a layer down from the head", c.LayerDecay)
}
