package eval

import (
	"fmt"

	"fasternet/data"
	"fasternet/data/classes"
)

// ForModel returns a data set whose labels are the outputs of a model. trained lists the
// names of the classes that the model was trained on, or nothing if it does not say; outputs
// is the number of its outputs. Labels are matched by name, or by number if a list has no
// names. The note says what is unusual, or "". It returns an error when the data set has
// no labels, or a class that the model does not have.
func ForModel(ds data.Dataset, trained []string, outputs int) (_ data.Dataset, note string, err error) {
	if data.Unlabelled(ds) {
		return nil, "", data.CheckLabels(ds, "")
	}
	have := ds.Classes()
	m := classes.Compare(have, trained)
	if m.Kind == classes.Unnamed && len(have) > outputs {
		return nil, "", fmt.Errorf("the data set has %d classes, the model only %d", len(have), outputs)
	}
	ds, note, err = relabel(ds, m, "the data set", "the model")
	if err != nil {
		return nil, "", fmt.Errorf(
			"%w; give the classes the names that the model has (the folders, or the file of data.classes)", err)
	}
	if m.Kind == classes.Unnamed && len(trained) == 0 && len(have) < outputs {
		note += fmt.Sprintf("; the data set has %d, the model %d", len(have), outputs)
	}
	return ds, note, nil
}

// relabel replaces the labels of a data set by the labels of the list it was matched with.
func relabel(ds data.Dataset, m classes.Match, have, want string) (data.Dataset, string, error) {
	note, err := m.Judge(have, want)
	if err == nil && m.Kind != classes.Same && len(m.Want) > 0 {
		ds, err = data.Relabel(ds, m.Index, m.Want)
	}
	return ds, note, err
}
