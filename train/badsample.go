package train

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/eval"
	"fasternet/internal/inspect"
	"fasternet/internal/printable"
)

// mostSamples is the largest number of samples in a message.
const mostSamples = 3

// describeSamples names the samples of a batch that a finding is about; "" if it does not tell.
func (t *trainer) describeSamples(f finding, b *data.Batch) string {
	x := f.first()
	for _, in := range f.Inputs { // the batch tells more than what was computed from it
		if in.Of > 0 {
			x = in
			break
		}
	}
	if x.Of == 0 && f.Op != nil {
		x = *f.Op
	}
	switch {
	case len(x.Samples) > 0 && len(x.Samples) < x.Of:
		return fmt.Sprintf("; %s", t.nameSamples(x.Samples, b))
	case x.Suspect >= 0:
		return fmt.Sprintf("; the largest value before that, %.3g, comes from %s",
			x.SuspectValue, t.nameSamples([]int{x.Suspect}, b))
	case x.Of > 0:
		return fmt.Sprintf("; all %d samples, the first is %s", x.Of, t.nameSample(0, b))
	}
	return fmt.Sprintf("; the batch has %s, the first is %s", printable.Count(b.Size, "sample"), t.nameSample(0, b))
}

// nameSamples names samples by their places in a batch.
func (t *trainer) nameSamples(places []int, b *data.Batch) string {
	var names []string
	for i, k := range places {
		if i == mostSamples {
			names = append(names, fmt.Sprintf("%d more", len(places)-i))
			break
		}
		names = append(names, fmt.Sprintf("sample %d of the batch (%s)", k, t.nameSample(k, b)))
	}
	return strings.Join(names, ", ")
}

// nameSample names the image of a sample, its class, and what it is mixed with.
func (t *trainer) nameSample(k int, b *data.Batch) string {
	i := b.Indices[k]
	if i < 0 || i >= t.train.Len() {
		return fmt.Sprintf("image %d", i)
	}
	text := fmt.Sprintf("image %d, %s", i, t.train.Name(i))
	switch t.config.Task {
	case configs.MultiLabelTask:
		text += ", labels " + t.classNames(b, k)
	case "classify":
		text += ", class " + t.classNames(b, k)
	}
	if slices.ContainsFunc(b.Replaced, func(r data.BadSample) bool { return r.At == k }) {
		text += ", which cannot be read and was replaced"
	}
	if p := t.partner(k, b); p >= 0 {
		text += fmt.Sprintf(", which may be mixed with image %d, %s", b.Indices[p], t.train.Name(b.Indices[p]))
	}
	return text
}

// classNames names the classes of sample k of a batch.
func (t *trainer) classNames(b *data.Batch, k int) string {
	if i := b.Indices[k]; b.Labels[k] < 0 && i >= 0 && i < t.train.Len() {
		return data.LabelNames(t.train, i)
	}
	return eval.ClassName(t.train.Classes(), b.Labels[k])
}

// partner returns the place of the sample that sample k may be mixed with; -1 for none.
func (t *trainer) partner(k int, b *data.Batch) int {
	if !t.config.Classifies() || !preprocess.Mixing(t.config.Augment, 1).Mixes(t.progress.Epoch) {
		return -1
	}
	place := k
	if b.Places != nil {
		place = b.Places[k]
	}
	other := b.Whole - 1 - place
	if b.Places != nil {
		other = slices.Index(b.Places, other)
	}
	if other == k || other >= b.Size {
		return -1
	}
	return other
}

// sampleRecord describes a sample of a saved batch.
type sampleRecord struct {
	Index int    `json:"index"` // in the training part of the data set
	Name  string `json:"name"`
	Label int    `json:"label"`
	Class string `json:"class,omitempty"`
	Bad   bool   `json:"bad,omitempty"` // it has values that are not finite
}

// records describe the samples of a batch.
func (t *trainer) records(b *data.Batch, x *inspect.Fault) []sampleRecord {
	var all []sampleRecord
	for k, i := range b.Indices {
		r := sampleRecord{Index: i, Label: b.Labels[k]}
		if i >= 0 && i < t.train.Len() {
			r.Name = t.train.Name(i)
		}
		if t.config.Classifies() {
			r.Class = t.classNames(b, k)
		}
		r.Bad = x != nil && slices.Contains(x.Samples, k)
		all = append(all, r)
	}
	return all
}
