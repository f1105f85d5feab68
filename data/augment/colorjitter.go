package augment

import "math/rand/v2"

// ColorJitter changes brightness, contrast and saturation in random order, each by a factor
// that is uniform in 1 ± strength, but not negative.
func (c *Canvas) ColorJitter(strength float64, r *rand.Rand) {
	if strength == 0 {
		return
	}
	order := [...]operation{opBrightness, opContrast, opColor}
	for i := len(order) - 1; i > 0; i-- {
		j := r.IntN(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	lo, hi := max(0, 1-strength), 1+strength
	for _, o := range order {
		c.apply(o, lo+float64(r.Float64()*(hi-lo)))
	}
}
