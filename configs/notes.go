package configs

import "fmt"

// inherited is what a preset has together: values that fit each other.
type inherited struct {
	preset     string
	lr         float64
	batch      int
	size       int               // of images
	origin     map[string]string // of the keys, to tell whether they were set again
	multiScale string
}

// inherit remembers what was read as that of a preset.
func (l *loader) inherit(preset string) {
	c := l.config
	l.preset = &inherited{preset: preset, lr: c.Optim.LR, batch: c.batch(), size: c.Data.ImageSize, multiScale: c.Data.MultiScale, origin: map[string]string{}}
	for _, key := range []string{"optim.lr", "data.multi_scale", "data.test_crop", "data.test_crop_ratio"} {
		l.preset.origin[key] = l.origin[key]
	}
}

// batch is the number of images that make a step.
func (c *Config) batch() int { return c.Train.BatchSize * c.Train.AccumSteps }

// notes are about values of a preset which were left as they are while others, that
// they were made for, were changed.
func (l *loader) notes() (notes []string) {
	c, p := l.config, l.preset
	if p == nil {
		return nil
	}
	kept := func(key string) bool { return p.origin[key] != "" && l.origin[key] == p.origin[key] }
	if batch := c.batch(); kept("optim.lr") && batch != p.batch {
		notes = append(notes, fmt.Sprintf("optim.lr %g is that of %s, made for batches of %d (train.batch_size × accum_steps); these are of %d: scaled in proportion it would be optim.lr=%.3g",
			p.lr, p.preset, p.batch, batch, p.lr*float64(batch)/float64(p.batch)))
	}
	if p.multiScale == "" || !kept("data.multi_scale") {
		return notes
	}
	small := c.Data.Scale(0)
	switch {
	case c.Data.ImageSize != p.size:
		notes = append(notes, fmt.Sprintf("data.multi_scale %s is that of %s, made for data.image_size %d; this is %d: set it, or data.multi_scale= for one size",
			p.multiScale, p.preset, p.size, c.Data.ImageSize))
	case c.Data.Scale(c.Train.Epochs-1) == small && small != c.Data.ImageSize:
		notes = append(notes, fmt.Sprintf("data.multi_scale %s is that of %s: all %d epochs would train at %d px, none at data.image_size %d; set it, or data.multi_scale= for one size",
			p.multiScale, p.preset, c.Train.Epochs, small, c.Data.ImageSize))
	}
	return notes
}
