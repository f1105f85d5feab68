package configs

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// inherited is what a preset has together: values that fit each other.
type inherited struct {
	preset     string
	optim      Optim
	batch      int
	size       int               // of images
	origin     map[string]string // of the keys, to tell whether they were set again
	multiScale string
}

// inherit remembers what was read as the preset's.
func (l *loader) inherit(preset string) {
	c := l.config
	l.preset = &inherited{preset: preset, optim: c.Optim, batch: c.batch(), size: c.Data.ImageSize, multiScale: c.Data.MultiScale, origin: maps.Clone(l.origin)}
}

// batch is the number of images that make a step.
func (c *Config) batch() int { return c.Train.BatchSize * c.Train.AccumSteps }

// notes are about what is possible, but hardly meant.
func (l *loader) notes() (notes []string) {
	if n := l.config.warmupNote(); n != "" {
		notes = append(notes, n)
	}
	notes = append(notes, l.voidNotes()...)
	notes = append(notes, l.config.risingNotes()...)
	notes = append(notes, l.config.imbalanceNotes()...)
	return append(notes, l.presetNotes()...)
}

// warmupNote is about an epoch that is lost: the forms that keep time as timm does hold
// the learning rate for an epoch, and begin a warm-up with that of warmup_lr.
func (c *Config) warmupNote() string {
	s := c.Sched
	if s.Form == "fasternet" || s.Form == "localmim" || s.OnUpdates || s.WarmupEpochs == 0 || s.WarmupLR > c.Optim.LR/100 {
		return ""
	}
	return fmt.Sprintf("sched.form %s holds the learning rate for an epoch, as timm does: the first of the %d epochs of warm-up trains at sched.warmup_lr %g, which changes next to nothing; with sched.on_updates=true it rises every step",
		s.Form, s.WarmupEpochs, s.WarmupLR)
}

// risingNotes are about learning rates that are to be small and are larger than the peak, as
// after a change of optim.lr alone.
func (c *Config) risingNotes() (notes []string) {
	s, peak := c.Sched, c.Optim.LR
	falls := slices.Contains([]string{"fasternet", "localmim", "timm", "linear", "poly"}, s.Form)
	if s.MinLR > peak && (falls || s.CooldownEpochs > 0) {
		notes = append(notes, fmt.Sprintf("sched.min_lr %g is above optim.lr %g, so that the learning rate rises where it should fall: set a smaller one", s.MinLR, peak))
	}
	if s.WarmupLR > peak && s.WarmupEpochs > 0 && s.Form != "localmim" {
		notes = append(notes, fmt.Sprintf("sched.warmup_lr %g, where the warm-up begins, is above optim.lr %g: set a smaller one", s.WarmupLR, peak))
	}
	return notes
}

// presetNotes are about values of a preset which were left as they are while others, that
// they were made for, were changed.
func (l *loader) presetNotes() (notes []string) {
	c, p := l.config, l.preset
	if p == nil {
		return nil
	}
	kept := func(key string) bool { return p.origin[key] != "" && l.origin[key] == p.origin[key] }
	if kept("optim.lr") {
		if n := p.rateNote(c.Optim.Opt, c.batch()); n != "" {
			notes = append(notes, n)
			c.rateNote = n
		}
	}
	if p.multiScale == "" || !kept("data.multi_scale") {
		return notes
	}
	small := c.Data.Scale(0)
	switch {
	case c.Data.ImageSize != p.size:
		notes = append(notes, fmt.Sprintf("data.multi_scale %s comes from %s, made for data.image_size %d; this is %d: set it, or data.multi_scale= for one size",
			p.multiScale, p.preset, p.size, c.Data.ImageSize))
	case c.Data.Scale(c.Train.Epochs-1) == small && small != c.Data.ImageSize:
		notes = append(notes, fmt.Sprintf("data.multi_scale %s comes from %s: all %d epochs would train at %d px, none at data.image_size %d; set it, or data.multi_scale= for one size",
			p.multiScale, p.preset, c.Train.Epochs, small, c.Data.ImageSize))
	}
	return notes
}

// NotesWithoutRate are the notes but for the one that scales the learning rate of a preset to the batch, for
// a run in which the batch itself is the problem.
func (c *Config) NotesWithoutRate() []string {
	return slices.DeleteFunc(slices.Clone(c.Notes), func(n string) bool { return n == c.rateNote })
}

// RateFor is a learning rate for batches of another size, by the rule for the optimizer of the
// configuration; ok is false if there is none.
func (c *Config) RateFor(batch int, lr float64, was int) (_ float64, ok bool) {
	power, ok := batchPower[c.Optim.Opt]
	return lr * math.Pow(float64(batch)/float64(was), power), ok
}

// rateNote is about the learning rate of a preset with another optimizer or for batches of
// another size; "" if both are the preset's.
func (p *inherited) rateNote(opt string, batch int) string {
	switch {
	case opt != p.optim.Opt:
		return fmt.Sprintf("optim.lr %g comes from %s, made for %s; this is %s, which needs another: set it; lr-find looks for one", p.optim.LR, p.preset, p.optim.Opt, opt)
	case batch == p.batch:
		return ""
	}
	text := fmt.Sprintf("optim.lr %g comes from %s, made for batches of %d (train.batch_size × accum_steps); these are of %d: ", p.optim.LR, p.preset, p.batch, batch)
	power, known := batchPower[opt]
	if !known {
		return text + "set it; lr-find looks for one"
	}
	rule := "in proportion to the batch"
	if power == 0.5 {
		rule = "with the square root of the batch"
	}
	return text + fmt.Sprintf("for %s it is scaled %s, that is to optim.lr=%.3g", opt, rule, p.optim.LR*math.Pow(float64(batch)/float64(p.batch), power))
}

// batchPower is how the learning rate of an optimizer goes with the size of a batch: in
// proportion where the step is a sum of gradients (Goyal et al., 2017; LARS as its authors
// have it), with the square root where it is divided by their size (You et al., 2020, for
// LAMB; Malladi et al., 2022, for Adam).
var batchPower = map[string]float64{"adamw": 0.5, "lamb": 0.5, "sgd": 1, "momentum": 1, "lars": 1}
