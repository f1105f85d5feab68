package configs

import "regexp"

// HoldsOut reports whether the validation images come from the training part.
func (d Data) HoldsOut() bool { return d.ValFraction > 0 || d.Folds > 0 }

// checkFolds checks the keys that divide the training part into folds.
func (d Data) checkFolds() *problem {
	if p := first(atLeast("data.folds", d.Folds, 0), atLeast("data.fold", d.Fold, 1)); p != nil {
		return p
	}
	if _, err := regexp.Compile(d.FoldGroups); err != nil {
		return wrong("data.fold_groups", "want a regular expression: %v", err)
	}
	switch {
	case d.Folds == 0 && d.Fold != 1:
		return wrong("data.fold", "needs data.folds, which is 0: leave it out").with("data.folds")
	case d.Folds == 0 && d.FoldGroups != "":
		return wrong("data.fold_groups", "needs data.folds, which is 0: leave it out").with("data.folds")
	case d.Folds == 0:
		return nil
	case d.Folds == 1:
		return wrong("data.folds", "want 2 folds or more, or 0 for none, got 1")
	case d.Fold > d.Folds:
		return wrong("data.fold", "want a fold from 1 to %d (data.folds), got %d", d.Folds, d.Fold).with("data.folds")
	case d.ValFraction > 0:
		return wrong("data.folds", "want data.folds or data.val_fraction, got both").with("data.val_fraction")
	case d.Val != "" || d.ValLabels != "":
		return wrong("data.folds", "want data.folds or data.val, got both").with("data.val", "data.val_labels")
	}
	return nil
}
