package train

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/data"
	"fasternet/data/classes"
	"fasternet/formats/torch"
	"fasternet/internal/printable"
	"fasternet/model"
)

// checkResumed returns an error, before anything is made or written, if the run in the folder was trained on
// other classes.
func (t *trainer) checkResumed(o Options) error {
	if t.ranks.Rank() != 0 || !o.Resume || !t.config.Classifies() {
		return nil
	}
	folder := Checkpoints(o.Dir)
	for _, name := range folder.Names() {
		meta, err := torch.Meta(folder.Path(name))
		if err != nil || meta[model.FormatKey] != model.CheckpointFormat {
			continue // resume reports the error
		}
		if _, err = t.resumedClasses(meta); err != nil {
			return fmt.Errorf("%s: %w", folder.Path(name), err)
		}
		return nil
	}
	return nil
}

// resumedClasses returns an error unless a checkpoint has the classes of the data set in the same order. If they
// cannot be compared, it returns a note.
func (t *trainer) resumedClasses(meta map[string]string) (note string, err error) {
	var names []string
	if err := json.Unmarshal([]byte(meta[model.ClassesKey]), &names); err != nil {
		return "", fmt.Errorf("its class names: %w", err)
	}
	m := classes.Compare(t.train.Classes(), names)
	switch {
	case m.Kind == classes.Same:
		return "", nil
	case m.Kind == classes.Unnamed && len(m.Have) == len(m.Want):
		return m.Judge("the data set", "the checkpoint")
	}
	how := "the data set has different classes from the checkpoint"
	if m.Kind == classes.Reordered {
		how = "the classes of the data set are in a different order than in the checkpoint"
	}
	if len(m.Have) != len(m.Want) {
		how = fmt.Sprintf("the data set has %d classes, the checkpoint %d", len(m.Have), len(m.Want))
	}
	return "", fmt.Errorf("%s: %s; --resume needs the same classes: "+
		"restore them, or start a new run with --run DIR --from %s",
		how, m.Difference("the data set", "the checkpoint"), t.dir)
}

// compareData says how the data differ from the data of a checkpoint. Other classes are an error, other samples
// are not.
func (t *trainer) compareData(path string, f *checkpoints.File) error {
	note := func(format string, args ...any) { t.notes = append(t.notes, fmt.Sprintf(format, args...)) }
	if t.config.Classifies() {
		text, err := t.resumedClasses(f.Meta)
		if err != nil {
			return err
		}
		if text != "" {
			note("%s", text)
		}
	}
	before := readFingerprints(f.Meta[DataKey])
	t.resumed = before
	if before == nil {
		note("%s does not say which images it was trained on, so changes are unknown%s", path, t.countsBefore())
		return nil
	}
	if t.prints.same(before) {
		return nil
	}
	stamps, err := t.folder.stampsOf(before)
	if err != nil {
		stamps = before
	}
	if text := changes("training", stamps.Train, t.prints.Train, t.train.Classes(), err); text != "" {
		note("%s", text)
	}
	if text := changes("validation", stamps.Val, t.prints.Val, t.val.Classes(), err); text != "" {
		if t.progress.Best != nil {
			text += "; the best result so far was measured on the old images"
		}
		note("%s", text)
	}
	if p := t.progress; p.Step > 0 && before.Train.Order != t.prints.Train.Order {
		if p.Step >= t.steps {
			note("epoch %d ends here: with these images it has only %s, and %d are done",
				p.Epoch+1, printable.Count(t.steps, "step"), p.Step)
		} else {
			note("epoch %d continues at step %d of %d in the new order of images: "+
				"it may show some twice and others not at all",
				p.Epoch+1, p.Step+1, t.steps)
		}
	}
	return nil
}

// countsBefore gives the numbers of images at the last launch, if they differ.
func (t *trainer) countsBefore() string {
	launches, err := t.folder.Launches()
	if err != nil || len(launches) == 0 {
		return ""
	}
	last := launches[len(launches)-1]
	if last.TrainImages == t.train.Len() && last.ValImages == t.val.Len() {
		return ""
	}
	return fmt.Sprintf("; now there are %d training and %d validation images, before there were %d and %d",
		t.train.Len(), t.val.Len(), last.TrainImages, last.ValImages)
}

// changes says how a part has changed, "" if it has not. Without stamps, unknown says why the changes
// cannot be counted.
func changes(part string, before, after *data.Fingerprint, names []string, unknown error) string {
	if before.Listing == after.Listing {
		if before.Order == after.Order || part != "training" { // the order of validation images does not matter
			return ""
		}
		return fmt.Sprintf("the %s images are in a different order than before", part)
	}
	text := fmt.Sprintf("the %s images have changed since the checkpoint: ", part)
	now := fmt.Sprintf("%d now, %d before", after.Samples, before.Samples) + moved(before, after, names)
	if unknown != nil {
		return text + now + fmt.Sprintf("; the numbers of added and removed images are unknown (%v)", unknown)
	}
	c := data.Compare(before.Stamps, masked(after.Stamps))
	text += fmt.Sprintf("%d added, %d removed", c.Added, c.Removed)
	if c.Resized > 0 {
		text += fmt.Sprintf(", %d with other content", c.Resized)
	}
	if c.Relabelled > 0 {
		text += fmt.Sprintf(", %d with another label", c.Relabelled)
	}
	return text + "; " + now
}

// masked converts stamps to the form that they have in a file.
func masked(stamps []data.Stamp) []data.Stamp {
	out := slices.Clone(stamps)
	for i, s := range out {
		out[i] = unpack(int64(s.Name), pack(s))
	}
	return out
}

// moved names the classes whose number of samples has changed the most.
func moved(before, after *data.Fingerprint, names []string) string {
	const most = 3
	if len(before.PerClass) != len(after.PerClass) || len(names) != len(after.PerClass) {
		return ""
	}
	var changed []int
	for k, n := range after.PerClass {
		if n != before.PerClass[k] {
			changed = append(changed, k)
		}
	}
	distance := func(k int) int {
		d := after.PerClass[k] - before.PerClass[k]
		return max(d, -d)
	}
	slices.SortStableFunc(changed, func(a, b int) int { return distance(b) - distance(a) })
	var parts []string
	for _, k := range changed[:min(most, len(changed))] {
		parts = append(parts, fmt.Sprintf("%d of %.60q instead of %d", after.PerClass[k], names[k], before.PerClass[k]))
	}
	if len(changed) > most {
		parts = append(parts, fmt.Sprintf("and %d more classes", len(changed)-most))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
