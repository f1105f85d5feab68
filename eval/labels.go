package eval

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/classes"
	"fasternet/data/sets"
	"fasternet/internal/printable"
)

// WithClassesOf returns the validation part of a data set with the labels of the training
// part, matched by name. The notes name classes in another order, classes without images, and
// images that are in both parts. It returns an error unless a classifier can be trained and
// measured on the parts: at least two classes have training images, both parts have labels,
// and no class has only validation images.
func WithClassesOf(train, val data.Dataset) (_ data.Dataset, notes []string, err error) {
	if err := data.CheckLabels(train, "training"); err != nil {
		return nil, nil, err
	}
	if data.Unlabelled(val) {
		return nil, nil, data.CheckLabels(val, "validation")
	}
	if err := data.CheckLabels(val, "validation"); data.IsMultiLabel(val) && err != nil {
		return nil, nil, err
	}
	m := classes.Compare(val.Classes(), train.Classes())
	val, note, err := relabel(val, m, "the validation part", "the training part")
	if err != nil {
		return nil, nil, fmt.Errorf("%w; both parts need the same classes", err)
	}
	if note != "" && m.Kind != classes.Part { // compareCounts names the classes without images
		notes = append(notes, note)
	}
	more, err := compareCounts(train, val)
	if n, first := data.Shared(train, val); err == nil && n > 0 {
		more = append(more, fmt.Sprintf("validation images that are training images too: %d of %d, such as %s: "+
			"the accuracy looks too good", n, val.Len(), first))
	}
	return val, append(notes, more...), err
}

// compareCounts looks for classes without images. The labels of both parts mean the same.
func compareCounts(train, val data.Dataset) (notes []string, err error) {
	trained, err := data.CountClasses(train)
	if err != nil {
		return nil, err
	}
	held, err := data.CountClasses(val)
	if err != nil {
		return nil, err
	}
	names := train.Classes()
	var always, never, unseen, alone []string
	for c, name := range names {
		n := 0
		if c < len(held) {
			n = held[c]
		}
		if data.IsMultiLabel(train) && trained[c] == train.Len() {
			always = append(always, name)
		}
		switch {
		case trained[c] == 0 && n > 0 && data.IsMultiLabel(train): // with other labels, its images can still be used
			alone = append(alone, name)
		case trained[c] == 0 && n > 0:
			return nil, fmt.Errorf("class %q has %d validation images, but no training images: "+
				"add some, or remove the class from the validation part", name, n)
		case trained[c] == 0:
			never = append(never, name)
		case n == 0:
			unseen = append(unseen, name)
		}
	}
	if len(alone) > 0 {
		notes = append(notes, fmt.Sprintf(
			"no training image has %d of the %d labels, which validation images have: %s: they cannot be learned",
			len(alone), len(names), sets.ListNames(alone)))
	}
	if len(always) > 0 {
		notes = append(notes, fmt.Sprintf("labels that all training images have: %s: "+
			"a model cannot learn when they are missing, and they raise mAP", sets.ListNames(always)))
	}
	if len(never) > 0 {
		notes = append(notes, fmt.Sprintf("there are no images of %d of the %d classes: %s",
			len(never), len(names), sets.ListNames(never)))
	}
	if len(unseen) > 0 {
		notes = append(notes, fmt.Sprintf("the validation part has no images of %d of the %d classes: %s",
			len(unseen), len(names), sets.ListNames(unseen)))
	}
	return notes, nil
}

// Notes returns lines about the parts of a data set: the files that their openers have left
// out, and settings that the user may not have meant. It skips a part that is nil.
func Notes(d configs.Data, train, val data.Dataset) (lines []string) {
	for _, l := range LeftOut(d, train, val) {
		l.Files = slices.DeleteFunc(slices.Clone(l.Files), func(f data.LeftOut) bool {
			// compareCounts names the empty folder of a class already.
			return f.Reason == data.NoImages && train != nil && slices.Contains(train.Classes(), filepath.Base(f.Path))
		})
		if len(l.Files) > 0 {
			lines = append(lines, l.String())
		}
	}
	for _, ds := range partsOf(d, train, val) {
		if text := replacedImages(ds); text != "" {
			lines = append(lines, text)
		}
	}
	return append(lines, Remarks(d, train, val)...)
}

// replacedImages says which images of a part are known to be unreadable. With
// data.on_bad_image: skip, other images take their places.
func replacedImages(ds data.Dataset) string {
	first, n := "", 0
	for _, f := range data.FaultsOf(ds) {
		if f.Image {
			if n += f.Count(); first == "" {
				first = strings.TrimPrefix(f.Err.Error(), "data: ")
			}
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return first + " (data.on_bad_image: skip)"
	}
	return fmt.Sprintf(
		"%s, and %s cannot be read (data.on_bad_image: skip); data verify lists them",
		first, printable.Count(n-1, "more image"))
}

// partsOf returns the parts that have files of their own and are not nil.
func partsOf(d configs.Data, train, val data.Dataset) (parts []data.Dataset) {
	for _, ds := range []data.Dataset{train, val} {
		if ds != nil && (len(parts) == 0 || !d.HoldsOut()) {
			parts = append(parts, ds)
		}
	}
	return parts
}

// Remarks returns what the openers of the parts noticed that is possible, but may be a
// mistake. It skips a part that is nil.
func Remarks(d configs.Data, train, val data.Dataset) (lines []string) {
	if path := sets.UnusedValidation(d); path != "" {
		lines = append(lines, fmt.Sprintf(
			"data.val_fraction holds the validation images out of the training part: %s is not used", path))
	}
	for _, ds := range partsOf(d, train, val) {
		for _, note := range data.NotesOf(ds) {
			if !slices.Contains(lines, note) { // both parts may have the same classes
				lines = append(lines, note)
			}
		}
		if n := data.Together(ds); n > 0 {
			lines = append(lines, fmt.Sprintf("%d images have the content of others under another name: "+
				"such copies stay in one part; data verify lists them", n))
		}
	}
	return lines
}
