package sets

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"fasternet/configs"
	"fasternet/data"
)

// Part describes a part of a data set to open.
type Part struct {
	Config configs.Data
	Split  data.Split // data.Train or data.Val

	// File and LabelFile are the values of data.train and data.train_labels, or data.val
	// and data.val_labels; "" for the usual ones.
	File, LabelFile string

	Options any // what Format.Options made, with the values of data.options

	training data.Dataset // for the validation part: the training part, if it is open
}

// Train says whether it is the training part.
func (p *Part) Train() bool { return p.Split == data.Train }

// Path returns a path relative to data.dir; for "" it takes usual.
func (p *Part) Path(name, usual string) string { return under(p.Config.Dir, name, usual) }

// under returns a path relative to dir.
func under(dir, name, usual string) string {
	if name == "" {
		name = usual
	}
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// called adds what to do to an error, if the file of a part does not exist.
func (p *Part) called(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; say what the file is called with data.%s", err, p.Split)
	}
	return err
}

// ClassNames reads the names in the file of data.classes; nil if there is none.
func ClassNames(d configs.Data) ([]string, error) {
	if d.Classes == "" {
		return nil, nil
	}
	return ReadClassMap(under(d.Dir, d.Classes, ""))
}

// OwnLabels returns what the configuration says about labels: data.classes, data.label_kind and
// data.label_key.
func (p *Part) OwnLabels() (l Labels, err error) {
	l = Labels{
		Kind:      LabelKind(p.Config.LabelKind),
		Key:       p.Config.LabelKey,
		Multi:     p.Config.MultiLabel,
		Separator: p.Config.Separator,
	}
	switch l.Kind {
	case "":
		l.Kind = LabelAuto
	case LabelAuto, LabelNumber, LabelName:
	default:
		return l, fmt.Errorf("data.label_kind: want %s, %s or %s, got %q",
			LabelAuto, LabelNumber, LabelName, string(l.Kind))
	}
	if p.Config.Classes != "" {
		l.From = p.Config.Classes
		if l.Classes, err = ClassNames(p.Config); err != nil {
			return l, fmt.Errorf("data.classes: %w", err)
		}
	}
	return l, nil
}

// Labels says what the labels of the part mean: see [Part.OwnLabels] and
// [Part.LikeTraining].
func (p *Part) Labels() (Labels, error) {
	l, err := p.OwnLabels()
	if err != nil {
		return l, err
	}
	return p.LikeTraining(l)
}

// LikeTraining makes labels mean the same in the validation part as in the training part, which
// says how many classes there are, and whether labels are numbers or names.
func (p *Part) LikeTraining(l Labels) (Labels, error) {
	if p.Train() || l.Classes != nil && !l.Ambiguous() {
		return l, nil
	}
	if p.training == nil {
		var err error
		p.training, err = part(p.Config, true, nil)
		if errors.Is(err, fs.ErrNotExist) { // there is only a validation part
			return l, nil
		}
		if err != nil {
			return l, err
		}
	}
	if l.Classes == nil && !data.Unlabelled(p.training) {
		l.Classes, l.From = p.training.Classes(), FromTraining
	}
	if k, ok := p.training.(interface{ LabelKind() LabelKind }); ok && l.Kind == LabelAuto {
		l.Kind = k.LabelKind()
	}
	return l, nil
}

// orNil returns a plain nil if there is an error: a nil pointer in an interface is not nil.
func orNil[D data.Dataset](ds D, err error) (data.Dataset, error) {
	if err != nil {
		return nil, err
	}
	return ds, nil
}
