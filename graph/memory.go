package graph

import "fasternet/internal/memory"

// CheckMemory returns an error unless the parameters of a model, float32 values, fit into memory.
// Call it before the first of them is made, because anybody may have written the configuration.
func CheckMemory(parameters int) error {
	return memory.Check("the parameters of the model", 4*parameters)
}
