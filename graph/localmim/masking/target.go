package masking

import "fmt"

// Target computes what a model reconstructs: for every image, at each scale, a vector of values for
// each cell of a grid. It is safe for concurrent use.
type Target interface {
	// Scales returns the number of scales.
	Scales() int
	// Shape returns the shape of the target of scale k: cells, in raster order, by values.
	Shape(k int) (cells, values int)
	// Compute writes the targets of an image [height, width, channels] that is normalised as the
	// network sees it. dst[k] has the shape of scale k.
	Compute(dst [][]float32, image []float32) error
}

// checkCells returns an error unless squares with the given sides divide the image.
func checkCells(target string, height, width int, sides []int) error {
	if len(sides) == 0 {
		return fmt.Errorf("masking: %s has no scales; at least one is needed", target)
	}
	for k, s := range sides {
		if s < 1 || height%s != 0 || width%s != 0 {
			return fmt.Errorf("masking: cells of %d pixels (%s, scale %d) do not divide an image of %d×%d pixels",
				s, target, k, height, width)
		}
	}
	return nil
}

func checkTarget(t Target, dst [][]float32, image []float32, size int) error {
	if len(image) != size {
		return fmt.Errorf("masking: an image of %d values; the targets are for %d", len(image), size)
	}
	if len(dst) != t.Scales() {
		return fmt.Errorf("masking: there is room for targets of %d scales; there are %d", len(dst), t.Scales())
	}
	for k, d := range dst {
		if cells, values := t.Shape(k); len(d) != cells*values {
			return fmt.Errorf("masking: room for %d values of the target of scale %d; it has %d×%d",
				len(d), k, cells, values)
		}
	}
	return nil
}
