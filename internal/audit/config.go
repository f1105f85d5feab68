package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/train"
)

// mostDropped is the largest part of the training images that each epoch may drop in its last,
// incomplete batch without a note.
const mostDropped = 0.1

// mostEnlarged is how many times larger than most images data.image_size may be without a note.
const mostEnlarged = 1.5

// Config looks at the data set of a configuration like a run at its start, without reading all
// images, and reports what does not fit. It skips keys that are already known to be wrong; they
// have their defaults in c. wrong may be nil.
func Config(ctx context.Context, c *configs.Config, wrong func(key string) bool) *Report {
	if wrong == nil {
		wrong = func(string) bool { return false }
	}
	r := &Report{Findings: []Finding{}}
	if !r.there(ctx, c.Data, wrong) {
		return r
	}
	var validation data.Dataset
	training := r.open(ctx, c, data.Train)
	if training != nil || !c.Data.HoldsOut() { // otherwise the validation part comes from the training part
		validation = r.open(ctx, c, data.Val)
	}
	if training != nil {
		if n := c.Data.MaxPerClass; n > 0 {
			training = data.Few(training, n, c.Seed)
		}
		r.head(c, training, wrong)
		r.batches(c, training, wrong)
		r.images(c, training, "training", wrong)
	}
	if validation != nil {
		r.images(c, validation, "validation", wrong)
	}
	if training != nil && c.Classifies() {
		r.labels(training, validation)
		if !wrong("loss.class_weights") {
			if err := train.CheckClassWeights(c, training); err != nil {
				r.add(Error, Setting, err.Error())
			}
		}
	}
	for _, l := range eval.LeftOut(c.Data, training, validation) {
		r.add(Note, LeftOut, l.String())
	}
	for _, note := range eval.Remarks(c.Data, training, validation) {
		r.add(Note, Remark, note)
	}
	r.sort()
	return r
}

// there reports whether there is a data set. A configuration may be for another machine.
func (r *Report) there(ctx context.Context, d configs.Data, wrong func(key string) bool) bool {
	for _, key := range []string{
		"data", "data.name", "data.dir", "data.train", "data.val",
		"data.val_fraction", "data.classes", "data.label_kind", "data.label_key",
	} {
		if wrong(key) {
			r.add(Note, NotThere, key+" is wrong: the data set was not looked at")
			return false
		}
	}
	switch {
	case d.Dir == "" && sets.NeedsDir(d):
		r.add(Note, NotThere, "data.dir is not set: no data set was looked at")
		return false
	case d.Dir == "":
		if _, err := sets.Inspect(ctx, d, true); err != nil {
			r.add(Note, NotThere, fmt.Sprintf("the data set was not looked at: %v", err))
			return false
		}
	default:
		if _, err := os.Stat(d.Dir); errors.Is(err, fs.ErrNotExist) {
			r.add(Note, NotThere, fmt.Sprintf("data.dir: there is no %s here: the data set was not looked at", d.Dir))
			return false
		}
	}
	return true
}

// open opens a part; nil if that fails.
func (r *Report) open(ctx context.Context, c *configs.Config, split data.Split) data.Dataset {
	ds, err := sets.Inspect(ctx, c.Data, split == data.Train)
	if err != nil {
		r.add(Error, Unopened, fmt.Sprintf("the %s part cannot be opened: %v", partName[split], err))
		return nil
	}
	if c.Data.HoldsOut() && split == data.Val { // both parts come from the same files
		return ds
	}
	var images []data.Fault
	for _, f := range data.FaultsOf(ds) {
		if f.Image {
			images = append(images, f)
			continue
		}
		r.add(Error, Fault, f.Err.Error())
	}
	if len(images) > 0 {
		text := images[0].Err.Error()
		more := -1
		for _, f := range images {
			more += f.Count()
		}
		if more > 0 {
			text += fmt.Sprintf(" (and %d more images are missing; data verify lists all)", more)
		}
		if c.Data.OnBadImage == "skip" {
			r.add(Note, Broken, text+"; another image is used instead (data.on_bad_image: skip)")
		} else {
			r.add(Error, Broken, text)
		}
	}
	return ds
}

// head compares the classifier with the classes.
func (r *Report) head(c *configs.Config, ds data.Dataset, wrong func(key string) bool) {
	n := len(ds.Classes())
	switch {
	case !c.Classifies() || wrong("model.num_classes"):
	case c.Model.NumClasses > 0 && c.Model.NumClasses < n:
		r.add(Error, Setting, fmt.Sprintf(
			"model.num_classes: the data set has %d classes, the model only %d; 0 takes the number of the data set",
			n, c.Model.NumClasses))
	default:
		if note := eval.HeadNote(c.Model.NumClasses, n); note != "" {
			r.add(Note, Setting, note)
		}
	}
}

// batches compares the batches with the number of images.
func (r *Report) batches(c *configs.Config, ds data.Dataset, wrong func(key string) bool) {
	if wrong("train.batch_size") {
		return
	}
	n, batch := ds.Len(), c.Train.BatchSize
	loader, err := train.Loader(c, ds, 0, false)
	if err != nil {
		r.add(Error, Setting, fmt.Sprintf("train.batch_size %d with %d training images: %v", batch, n, err))
		return
	}
	steps := loader.Steps()
	if left := n - steps*batch; float64(left) > mostDropped*float64(n) {
		r.add(Note, Setting, fmt.Sprintf("train.batch_size: of %d training images each epoch leaves out %d, "+
			"which do not fill a batch of %d; a smaller batch leaves out fewer", n, left, batch))
	}
	if c.Train.AccumSteps > steps && !wrong("train.accum_steps") {
		r.add(Note, Setting, fmt.Sprintf(
			"train.accum_steps: %d batches make an update, but an epoch has only %d: its updates are smaller",
			c.Train.AccumSteps, steps))
	}
	if c.Train.PreciseBN > n && !wrong("train.precise_bn") {
		r.add(Note, Setting, fmt.Sprintf("train.precise_bn: wants %d images, but there are only %d training images",
			c.Train.PreciseBN, n))
	}
}

// images decodes some images of a part, and compares them with the input of the model.
func (r *Report) images(c *configs.Config, ds data.Dataset, part string, wrong func(key string) bool) {
	info, err := data.Describe(ds, true)
	if err != nil {
		r.add(Error, Broken, err.Error())
		return
	}
	r.Images += info.Decoded
	missing := 0 // number of images that are reported already
	for _, f := range data.FaultsOf(ds) {
		if f.Image {
			missing++
		}
	}
	if info.Bad > missing {
		level, hint := Error, "data verify lists all of them"
		if c.Data.OnBadImage == "skip" {
			level, hint = Note, "other images are used instead (data.on_bad_image: skip)"
		}
		r.add(level, Broken, fmt.Sprintf("%v; %d of the %d %s images that were looked at cannot be read; %s",
			info.BadErr, info.Bad, info.Bad+info.Decoded, part, hint))
	}
	if info.Decoded == 0 || part != "training" {
		return
	}
	size := c.Data.ImageSize
	side := max(info.Height.Median, info.Width.Median)
	if !wrong("data.image_size") && float64(side)*mostEnlarged < float64(size) {
		r.add(Note, Setting, fmt.Sprintf("data.image_size: half of the %s images that were looked at "+
			"have at most %d×%d pixels (width × height), and are enlarged to %d",
			part, info.Width.Median, info.Height.Median, size))
	}
	switch grey := info.Grey; {
	case wrong("model.in_chans"):
	case c.Model.InChans == 1 && grey < info.Decoded:
		r.add(Note, Setting, fmt.Sprintf("model.in_chans: %d of %d %s images that were looked at have colours, "+
			"which a model with 1 channel does not see", info.Decoded-grey, info.Decoded, part))
	case c.Model.InChans == 3 && grey == info.Decoded:
		r.add(Note, Setting, fmt.Sprintf(
			"model.in_chans: all %d %s images that were looked at are grey; 1 channel is enough", grey, part))
	}
}

// labels compares the classes of the parts like a run; the validation part may be nil.
func (r *Report) labels(training, validation data.Dataset) {
	var notes []string
	var err error
	if validation == nil {
		err = data.CheckLabels(training, "training")
	} else {
		_, notes, err = eval.WithClassesOf(training, validation)
	}
	if err != nil {
		r.add(Error, Classes, err.Error())
	}
	for _, note := range notes {
		r.add(Note, Classes, note)
	}
}
