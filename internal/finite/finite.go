// Package finite finds values in weights that are NaN or infinite.
package finite

import "fmt"

// Count counts values, and those among them that are NaN or infinite.
type Count struct {
	Tensors, Values int
	Bad             int    // values that are NaN or infinite
	First           string // where the first of them is
}

// Add looks at the values of a tensor.
func (c *Count) Add(name string, values []float32) {
	c.Tensors++
	c.Values += len(values)
	for i, v := range values {
		if v-v != 0 { // NaN, or an infinity
			if c.Bad++; c.Bad == 1 {
				c.First = fmt.Sprintf("%s[%d] is %v", name, i, float64(v))
			}
		}
	}
}

// Err says how many values are no numbers, and where the first is; nil if all are.
func (c *Count) Err() error {
	if c.Bad == 0 {
		return nil
	}
	return fmt.Errorf("%d of its %d values are NaN or infinite, the first: %s", c.Bad, c.Values, c.First)
}

// String says how much there is.
func (c *Count) String() string { return fmt.Sprintf("%d tensors of %d values", c.Tensors, c.Values) }
