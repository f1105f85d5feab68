package eval

import (
	"fmt"

	"fasternet/data"
	"fasternet/data/classes"
)

// ForModel is a data set whose labels are the outputs of a model: trained are the names of
// the classes that the model was trained on, none if it does not say, and outputs is the
// number of its outputs. Labels are matched by name; where a list has no names, by number.
// The note says what is not as usual, "" for nothing. It is an error when the data set has
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
		return nil, "", fmt.Errorf("%w; give the classes the names that the model has (the folders, or the file of data.classes)", err)
	}
	if m.Kind == classes.Unnamed && len(trained) == 0 && len(have) < outputs {
		note += fmt.Sprintf("; the data set has %d, the model %d", len(have), outputs)
	}
	return ds, note, nil
}

// relabel gives a data set the labels of the list that its classes were compared with.
func relabel(ds data.Dataset, m classes.Match, have, want string) (data.Dataset, string, error) {
	note, err := m.Judge(have, want)
	if err == nil && m.Kind != classes.Same && len(m.Want) > 0 {
		ds, err = data.Relabel(ds, m.Index, m.Want)
	}
	return ds, note, err
}
