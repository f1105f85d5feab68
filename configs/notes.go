package configs

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// inherited holds values of a preset that belong together.
type inherited struct {
	preset     string
	optim      Optim
	batch      int
	size       int               // of the images
	origin     map[string]string // of the keys, to see whether they were set again
	multiScale string
}

// inherit remembers the values of the preset.
func (l *loader) inherit(preset string) {
	c := l.config
	l.preset = &inherited{
		preset:     preset,
		optim:      c.Optim,
		batch:      c.batch(),
		size:       c.Data.ImageSize,
		multiScale: c.Data.MultiScale,
		origin:     maps.Clone(l.origin),
	}
}

// batch returns the number of images per step.
func (c *Config) batch() int { return c.Train.BatchSize * c.Train.AccumSteps }

// notes warn about values that are possible but unlikely to be meant.
func (l *loader) notes() (notes []string) {
	if n := l.config.warmupNote(); n != "" {
		notes = append(notes, n)
	}
	notes = append(notes, l.voidNotes()...)
	notes = append(notes, l.config.risingNotes()...)
	notes = append(notes, l.config.imbalanceNotes()...)
	return append(notes, l.presetNotes()...)
}

// warmupNote warns about a lost epoch: the forms that keep time as timm does hold the learning rate for an
// epoch, and begin with warmup_lr.
func (c *Config) warmupNote() string {
	s := c.Sched
	if s.Form == "fasternet" ||
		s.Form == "localmim" ||
		s.OnUpdates ||
		s.WarmupEpochs == 0 ||
		s.WarmupLR > c.Optim.LR/100 {
		return ""
	}
	return fmt.Sprintf("sched.form %s changes the learning rate once per epoch, as timm does, "+
		"so the first of %d warm-up epochs trains at sched.warmup_lr %g and learns almost nothing; "+
		"sched.on_updates=true changes it every step",
		s.Form, s.WarmupEpochs, s.WarmupLR)
}

// risingNotes warn about small learning rates that are above the peak, for example after optim.lr alone was
// changed.
func (c *Config) risingNotes() (notes []string) {
	s, peak := c.Sched, c.Optim.LR
	falls := slices.Contains([]string{"fasternet", "localmim", "timm", "linear", "poly"}, s.Form)
	if s.MinLR > peak && (falls || s.CooldownEpochs > 0) {
		notes = append(notes, fmt.Sprintf("sched.min_lr %g is above optim.lr %g, so the learning rate would rise: "+
			"set a smaller one",
			s.MinLR, peak))
	}
	if s.WarmupLR > peak && s.WarmupEpochs > 0 && s.Form != "localmim" {
		notes = append(notes, fmt.Sprintf("sched.warmup_lr %g, the start of the warm-up, is above optim.lr %g: "+
			"set a smaller one",
			s.WarmupLR, peak))
	}
	return notes
}

// presetNotes warn about values of a preset that no longer fit other values that were changed.
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
		notes = append(notes, fmt.Sprintf("data.multi_scale %s comes from %s, made for data.image_size %d, not %d: "+
			"set it, or data.multi_scale= for one size",
			p.multiScale, p.preset, p.size, c.Data.ImageSize))
	case c.Data.Scale(c.Train.Epochs-1) == small && small != c.Data.ImageSize:
		notes = append(notes, fmt.Sprintf("data.multi_scale %s comes from %s: all %d epochs would train at %d px, "+
			"none at data.image_size %d; set it, or data.multi_scale= for one size",
			p.multiScale, p.preset, c.Train.Epochs, small, c.Data.ImageSize))
	}
	return notes
}

// NotesWithoutRate returns the notes without the one on the learning rate, for a run that cannot
// choose its batch.
func (c *Config) NotesWithoutRate() []string {
	return slices.DeleteFunc(slices.Clone(c.Notes), func(n string) bool { return n == c.rateNote })
}

// RateFor scales a learning rate to another batch size, by the rule for the optimizer; ok is false if there
// is no rule.
func (c *Config) RateFor(batch int, lr float64, was int) (_ float64, ok bool) {
	power, ok := batchPower[c.Optim.Opt]
	return lr * math.Pow(float64(batch)/float64(was), power), ok
}

// rateNote warns about a preset's learning rate with another optimizer or batch size; "" if both are the
// preset's.
func (p *inherited) rateNote(opt string, batch int) string {
	switch {
	case opt != p.optim.Opt:
		return fmt.Sprintf("optim.lr %g comes from %s, made for %s; %s needs another: set it (lr-find looks for one)",
			p.optim.LR, p.preset, p.optim.Opt, opt)
	case batch == p.batch:
		return ""
	}
	text := fmt.Sprintf("optim.lr %g comes from %s, made for batches of %d (train.batch_size × accum_steps), not %d: ",
		p.optim.LR, p.preset, p.batch, batch)
	power, known := batchPower[opt]
	if !known {
		return text + "set it (lr-find looks for one)"
	}
	rule := "in proportion to the batch"
	if power == 0.5 {
		rule = "with the square root of the batch"
	}
	return text + fmt.Sprintf("for %s scale it %s, to optim.lr=%.3g",
		opt, rule, p.optim.LR*math.Pow(float64(batch)/float64(p.batch), power))
}

// batchPower is the power of the batch size that the learning rate of an optimizer is scaled by: 1 if the
// step is a sum of gradients (Goyal et al., 2017; LARS as published), 1/2 if it is divided by their size
// (You et al., 2020, for LAMB; Malladi et al., 2022, for Adam).
var batchPower = map[string]float64{"adamw": 0.5, "lamb": 0.5, "sgd": 1, "momentum": 1, "lars": 1}
