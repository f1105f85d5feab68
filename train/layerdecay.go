package train

import (
	"fmt"

	"fasternet/configs"
)

// describeLayers says of the learning rate how it falls.
func describeLayers(c configs.Optim) string {
	if c.LayerDecay == 1 {
		return ""
	}
	return fmt.Sprintf(" × %g a layer down from the head", c.LayerDecay)
}
