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
	"fasternet/model"
)

// checkResumed finds out, before anything is made or written, that the run in the folder
// was trained on other classes.
func (t *trainer) checkResumed(o Options) error {
	if t.ranks.Rank() != 0 || !o.Resume || !t.config.Classifies() {
		return nil
	}
	folder := Checkpoints(o.Dir)
	for _, name := range folder.Names() {
		meta, err := torch.Meta(folder.Path(name))
		if err != nil || meta[model.FormatKey] != model.CheckpointFormat {
			continue // resume says what is wrong with it
		}
		if _, err = t.resumedClasses(meta); err != nil {
			return fmt.Errorf("%s: %w", folder.Path(name), err)
		}
		return nil
	}
	return nil
}

// resumedClasses is an error unless a checkpoint is of the classes that the data set has,
// in their order. What cannot be compared is a note.
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
	how := "the data set has other classes than the checkpoint"
	if m.Kind == classes.Reordered {
		how = "the classes of the data set have another order than in the checkpoint"
	}
	if len(m.Have) != len(m.Want) {
		how = fmt.Sprintf("the data set has %d classes, the checkpoint %d", len(m.Have), len(m.Want))
	}
	return "", fmt.Errorf("%s: %s; --resume needs the classes that the run began with: bring them back, or begin another run: --run DIR --from %s",
		how, m.Difference("the data set", "the checkpoint"), t.dir)
}

// compareData says how the data differ from what a checkpoint was trained on. Other classes
// are an error; other samples are not.
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
		note("%s does not say which images it was trained on: whether they have changed is not known%s", path, t.countsBefore())
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
			text += "; the best result so far was measured on the images before"
		}
		note("%s", text)
	}
	if p := t.progress; p.Step > 0 && before.Train.Order != t.prints.Train.Order {
		if p.Step >= t.steps {
			note("epoch %d is shorter with these images (steps: %d, done: %d): it ends here", p.Epoch+1, t.steps, p.Step)
		} else {
			note("epoch %d goes on at step %d of %d in the order of these images: some may come twice in it, and others not at all", p.Epoch+1, p.Step+1, t.steps)
		}
	}
	return nil
}

// countsBefore says how many images there were at the last launch, if there were others.
func (t *trainer) countsBefore() string {
	launches, err := t.folder.Launches()
	if err != nil || len(launches) == 0 {
		return ""
	}
	last := launches[len(launches)-1]
	if last.TrainImages == t.train.Len() && last.ValImages == t.val.Len() {
		return ""
	}
	return fmt.Sprintf("; there are %d training and %d validation images, there were %d and %d", t.train.Len(), t.val.Len(), last.TrainImages, last.ValImages)
}

// changes says in words how a part has changed, "" if it has not. Without stamps unknown
// says why it cannot be counted.
func changes(part string, before, after *data.Fingerprint, names []string, unknown error) string {
	if before.Listing == after.Listing {
		if before.Order == after.Order || part != "training" { // the order in which images are measured does not matter
			return ""
		}
		return fmt.Sprintf("the %s images have another order than before", part)
	}
	text := fmt.Sprintf("the %s images have changed since the checkpoint: ", part)
	now := fmt.Sprintf("%d now, %d before", after.Samples, before.Samples) + moved(before, after, names)
	if unknown != nil {
		return text + now + fmt.Sprintf("; how many were added and removed is not known (%v)", unknown)
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

// masked are stamps as they come back from a file.
func masked(stamps []data.Stamp) []data.Stamp {
	out := slices.Clone(stamps)
	for i, s := range out {
		out[i] = unpack(int64(s.Name), pack(s))
	}
	return out
}

// moved names the classes whose number of samples has changed most.
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
