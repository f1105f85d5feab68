package eval

import "fmt"

// HeadNote warns if a classifier has more outputs than the data set has classes, and is ""
// otherwise. outputs is model.num_classes, where 0 takes the number from the data set.
func HeadNote(outputs, classes int) string {
	if outputs <= classes {
		return ""
	}
	return fmt.Sprintf("the model has %d classes (model.num_classes), the data set %d: "+
		"the outputs of the other %d have no images to learn from; 0 takes the number of the data set",
		outputs, classes, outputs-classes)
}
