package masking

// scaleMask writes the mask of side×side units for grid×grid cells: the value of the unit that
// contains a cell, or the mean of the units in it. One of the two numbers divides the other.
func scaleMask(dst []float32, grid int, mask []float32, side int) {
	mean := max(side/grid, 1)   // units along a side of a cell
	repeat := max(grid/side, 1) // cells along a side of a unit
	for y := range grid {
		for x := range grid {
			var sum float32
			for i := range mean {
				for j := range mean {
					sum += mask[(y/repeat*mean+i)*side+x/repeat*mean+j]
				}
			}
			dst[y*grid+x] = sum / float32(mean*mean)
		}
	}
}
