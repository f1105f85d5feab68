package graph

import "fasternet/internal/memory"

// CheckMemory returns an error unless the parameters of a model, float32 values, fit into
// memory. The configuration may be from anybody: this comes before the first of them is
// made.
func CheckMemory(parameters int) error {
	return memory.Check("the parameters of the model", 4*parameters)
}
