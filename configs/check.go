package configs

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
)

// Tasks are the values of task.
var Tasks = []string{"classify", MultiLabelTask, "localmim"}

// MultiLabelTask is the task of a classifier for images with any number of labels.
const MultiLabelTask = "multilabel"

// Classifies reports whether the model of the task is a classifier.
func (c *Config) Classifies() bool { return c.Task == "classify" || c.Task == MultiLabelTask }

// Precisions are the values of precision.
var Precisions = []string{"fp32", "bf16", "auto"}

// Check returns the first impossible value of a configuration, as Load and Parse do. It is for programs
// that change a configuration.
func (c *Config) Check() error {
	if p := c.check(false); p != nil {
		return fmt.Errorf("%s: %s", p.key, p.text)
	}
	return nil
}

// check returns the first impossible value. Unless it is strict, formats and augmentations may have names
// of another program.
func (c *Config) check(strict bool) *problem {
	if p := checkFinite("", reflect.ValueOf(*c)); p != nil {
		return p
	}
	for _, check := range []func() *problem{
		func() *problem { return checkLimits("", reflect.ValueOf(*c)) },
		func() *problem { return oneOf("task", c.Task, Tasks...) },
		func() *problem { return atLeast("threads", c.Threads, 0) },
		func() *problem { return oneOf("precision", c.Precision, Precisions...) },
		func() *problem { return checkReference("from", c.From) },
		func() *problem { return oneOf("from_weights", c.FromWeights, "auto", "plain", "ema") },
		c.Model.check,
		func() *problem { return c.Data.check(c.Model, strict) },
		c.Augment.check,
		c.Loss.check,
		c.Distill.check,
		c.Optim.check,
		c.EMA.check,
		c.Train.check,
		c.checkFrozen,
		func() *problem { return c.Sched.check(c.Train.Epochs) },
		c.Checkpoint.check,
		c.Log.check,
		c.checkOutputs,
		c.checkMix,
		c.checkImbalance,
		c.checkMultiLabel,
		c.checkStatistics,
		c.checkPreciseBN,
		func() *problem {
			if c.Task != "localmim" {
				return nil
			}
			p := c.checkMIM()
			if p != nil {
				p.with("task", "model", "data.image_size")
			}
			return p
		},
	} {
		if p := check(); p != nil {
			return p // later checks need the earlier ones
		}
	}
	return nil
}

// checkFinite refuses NaN and infinity anywhere.
func checkFinite(key string, v reflect.Value) *problem {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return wrong(key, "want a finite number, got %v", f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if p := checkFinite(key, v.Index(i)); p != nil {
				return p
			}
		}
	case reflect.Interface: // the part of a family
		if !v.IsNil() {
			return checkFinite(key, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := keyOf(v.Type().Field(i))
			field := join(key, name)
			switch name {
			case "-": // no key
				continue
			case "": // a part of the same section
				field = key
			}
			if p := checkFinite(field, v.Field(i)); p != nil {
				return p
			}
		}
	}
	return nil
}

var multiScale = regexp.MustCompile(`^(\d+)_(\d+)$`)

// Scale returns the image size of training in an epoch, counted from 0.
func (d Data) Scale(epoch int) int {
	if m := multiScale.FindStringSubmatch(d.MultiScale); m != nil {
		until, _ := strconv.Atoi(m[2])
		if size, _ := strconv.Atoi(m[1]); epoch < until {
			return size
		}
	}
	return d.ImageSize
}

func (d Data) check(m Model, strict bool) *problem {
	if p := first(
		d.checkSource(strict),
		atLeast("data.image_size", d.ImageSize, 1),
		m.checkImage("data.image_size", d.ImageSize),
		oneOf("data.interpolation", d.Interpolation, "bilinear", "bicubic", "lanczos"),
		atLeast("data.workers", d.Workers, 0),
		atLeast("data.max_per_class", d.MaxPerClass, 0),
		oneOf("data.sampling", d.Sampling, InstanceSampling, SqrtSampling, BalancedSampling),
		atLeast("data.prefetch", d.Prefetch, 1),
		d.checkPixels(),
	); p != nil {
		return p
	}
	if d.MultiScale != "" {
		match := multiScale.FindStringSubmatch(d.MultiScale)
		if match == nil {
			return wrong("data.multi_scale", "want size_epoch, e.g. 192_280, got %q", d.MultiScale)
		}
		if _, err := strconv.Atoi(match[2]); err != nil || d.Scale(0) > mostPixels {
			return wrong("data.multi_scale", "want size_epoch, e.g. 192_280, got %q", d.MultiScale)
		}
		if p := m.checkImage("data.multi_scale", d.Scale(0)); p != nil {
			return p
		}
	}
	if p := first(perChannel("data.mean", d.Mean, m), perChannel("data.std", d.Std, m)); p != nil {
		return p
	}
	const hint = "for pixels in [0, 1]; divide values for pixels in [0, 255] by 255"
	return first(
		each("data.std", d.Std, positive(), "want numbers above 0, got %v", d.Std),
		each("data.mean", d.Mean, between(0, 1), "want numbers from 0 to 1, got %v: they are "+hint, d.Mean),
		each("data.std", d.Std, share(), "want numbers up to 1, got %v: they are "+hint, d.Std),
	)
}

func perChannel(key string, v []float64, m Model) *problem {
	if len(v) != m.InChans {
		return wrong(key, "want %d number(s), one per channel (model.in_chans), got %d", m.InChans, len(v)).
			with("model.in_chans")
	}
	return nil
}

func interval(key string, v []float64) *problem {
	const want = "want two numbers above 0, the smaller first, got %v"
	if p := each(key, v, positive().values(2), want, v); p != nil {
		return p
	}
	if v[1] < v[0] {
		return wrong(key, want, v)
	}
	return nil
}

func (l Log) check() *problem {
	if l.HistogramInterval > 0 && !l.TensorBoard {
		return wrong("log.histogram_interval", "want 0 without log.tensorboard, got %d", l.HistogramInterval).
			with("log.tensorboard")
	}
	return atLeast("log.histogram_interval", l.HistogramInterval, 0)
}

func (c Checkpoint) check() *problem {
	return first(
		atLeast("checkpoint.every_epochs", c.EveryEpochs, 1),
		atLeast("checkpoint.every_steps", c.EverySteps, 0),
		atLeast("checkpoint.top_k", c.TopK, 0),
		oneOf("checkpoint.monitor", c.Monitor, "top1", "map", "loss"),
	)
}

// checkMix: each sample is mixed with its mirror image in the batch.
func (c *Config) checkMix() *problem {
	if c.Augment.mixes() && c.Train.BatchSize%2 != 0 {
		return wrong("train.batch_size", "want an even number with mixup or cutmix, got %d", c.Train.BatchSize).
			with("augment.mixup", "augment.cutmix", "augment.cutmix_minmax")
	}
	return nil
}

// checkStatistics: a batch norm needs two values per channel.
func (c *Config) checkStatistics() *problem {
	m, ok := c.Model.Arch.(BatchNormed)
	if !ok {
		return nil
	}
	if last := m.LastSide(c.Data.Scale(0)); c.Train.BatchSize*last*last < 2 {
		return wrong("train.batch_size",
			"want 2 or more: batch norm needs two values per channel, and the last stage has a %d×%d map", last,
			last).
			with("model", "data.image_size", "data.multi_scale")
	}
	return nil
}
