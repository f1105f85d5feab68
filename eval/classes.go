package eval

import (
	"fmt"
	"strconv"
	"strings"
)

// CheckClasses compares the classes of a data set with those that a model was trained
// on (none if it does not say) and the number of its outputs: labels are numbers. It
// is an error when the data set has more classes than the model, or another number of
// them under other names: then the labels mean something else. What may be meant is a
// note; "" if there is nothing to say.
func CheckClasses(have, trained []string, outputs int) (note string, err error) {
	switch {
	case len(have) > outputs:
		return "", fmt.Errorf("the data set has %d classes, the model only %d", len(have), outputs)
	case len(trained) == 0 && len(have) < outputs:
		return fmt.Sprintf("the data set has %d classes, the model %d, and it does not say what they are called: labels are compared by their number", len(have), outputs), nil
	case len(trained) == 0:
		return "", nil
	}
	var other []string // pairs
	named := false     // not only numbers
	for i, name := range have {
		if i < len(trained) && name == trained[i] {
			continue
		}
		named = named || name != "" && name != strconv.Itoa(i) && (i >= len(trained) || trained[i] != strconv.Itoa(i))
		if len(other) == 3 {
			other = append(other, "…")
			break
		}
		in := "unknown to the model"
		if i < len(trained) {
			in = fmt.Sprintf("%q in the model", ClassName(trained, i))
		}
		other = append(other, fmt.Sprintf("class %d is %q in the data set and %s", i, ClassName(have, i), in))
	}
	differ := strings.Join(other, ", ")
	switch same := len(have) == len(trained); {
	case same && differ == "":
		return "", nil
	case same:
		return differ + "; labels are compared by their number", nil
	case differ == "":
		return fmt.Sprintf("the data set has the first %d of the %d classes that the model was trained on", len(have), len(trained)), nil
	case !named:
		return fmt.Sprintf("the data set has %d classes, the model was trained on %d; labels are compared by their number", len(have), len(trained)), nil
	}
	return "", fmt.Errorf("the data set has %d classes, the model was trained on %d: %s; its labels would mean other classes: name those of the model, in their order, in a file (data.classes), or give the data set all of them", len(have), len(trained), differ)
}
