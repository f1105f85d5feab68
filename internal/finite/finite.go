// Package finite finds values in weights that are NaN or infinite.
package finite

import "fmt"

// Count counts values, and how many of them are NaN or infinite.
type Count struct {
	Tensors, Values int
	Bad             int    // values that are NaN or infinite
	First           string // place of the first bad value
}

// Add counts the values of a tensor.
func (c *Count) Add(name string, values []float32) {
	c.Tensors++
	c.Values += len(values)
	for i, v := range values {
		if v-v != 0 { // NaN or infinite
			if c.Bad++; c.Bad == 1 {
				c.First = fmt.Sprintf("%s[%d] is %v", name, i, float64(v))
			}
		}
	}
}

// Err says how many values are not finite, and where the first is; nil if all are finite.
func (c *Count) Err() error {
	if c.Bad == 0 {
		return nil
	}
	return fmt.Errorf("%d of its %d values are NaN or infinite, the first: %s", c.Bad, c.Values, c.First)
}

// String says how many tensors and values were counted.
func (c *Count) String() string { return fmt.Sprintf("%d tensors of %d values", c.Tensors, c.Values) }
