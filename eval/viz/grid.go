package viz

import "fmt"

// Grid is the size of a map of cells.
type Grid struct{ Rows, Cols int }

// Size returns the number of cells.
func (g Grid) Size() int { return g.Rows * g.Cols }

func (g Grid) String() string { return fmt.Sprintf("%d×%d", g.Rows, g.Cols) }
