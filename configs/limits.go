package configs

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// limit is the largest value of a key. A configuration may come from anybody, in a checkpoint or an
// export, and most of its numbers decide how much memory, how many threads or how much time is used. So
// each is checked before anything is allocated. The limits are far above real use.
type limit struct {
	key  string
	most int // of the value, or of each value of a list
}

// MostClasses is the largest number of classes of a model or a data set.
const MostClasses = 1 << 20

const (
	mostThreads  = 1 << 10 // of the kernels or the loader
	mostChannels = 1 << 16
	mostEpochs   = 1_000_000
	mostSteps    = 1_000_000_000
	mostPixels   = 1 << 13 // of a side of an image
	mostBlocks   = 1 << 10
	mostHeads    = 1 << 12
	mostStages   = 8
	mostTaps     = 16
	mostFolds    = 1000

	mostValues = 1000 // of a list, such as sched.milestones
	mostText   = 4096 // bytes of a text, such as a path

	// mostOutput limits the values of one layer's output, or of one layer's attention scores, for a
	// batch. It keeps the arithmetic of memory plans from overflowing. Making the plan shows whether
	// that much memory exists.
	mostOutput = 1 << 44
)

// limits has every key with a whole number, except seeds and keys with a few possible values.
var limits = []limit{
	{"threads", mostThreads},
	{"model.num_classes", MostClasses},
	{"mim.taps", mostBlocks},
	{"mim.decoder_dim", mostChannels},
	{"mim.decoder_depth", 1 << 8},
	{"mim.decoder_heads", mostHeads},
	{"mim.decoder_mlp_ratio", 64},
	{"mim.nbins", 1 << 10},
	{"mim.mask_unit", mostPixels},
	{"mim.mask_block", mostPixels},
	{"mim.picture_interval", mostEpochs},
	{"data.folds", mostFolds},
	{"data.fold", mostFolds},
	{"data.image_size", mostPixels},
	{"data.max_per_class", mostSteps},
	{"data.workers", mostThreads},
	{"data.prefetch", 1 << 10},
	{"augment.padding", 1 << 10},
	{"augment.erasing.count", 1000},
	{"augment.repeats", 1000},
	{"augment.mixup_off_epoch", mostEpochs},
	{"sched.warmup_epochs", mostEpochs},
	{"sched.cooldown_epochs", mostEpochs},
	{"sched.decay_epochs", mostEpochs},
	{"sched.milestones", mostEpochs},
	{"train.epochs", mostEpochs},
	{"train.batch_size", 1 << 16},
	{"train.accum_steps", 1 << 16},
	{"train.val_batch_size", 1 << 16},
	{"train.val_interval", mostEpochs},
	{"train.log_interval", mostSteps},
	{"train.frozen_stages", mostBlocks},
	{"train.precise_bn", mostSteps},
	{"train.patience", mostEpochs},
	{"checkpoint.every_epochs", mostEpochs},
	{"checkpoint.every_steps", mostSteps},
	{"checkpoint.top_k", 1000},
	{"log.histogram_interval", mostEpochs},
}

// lengths are the limits of lists with a limit of their own.
var lengths = map[string]int{
	"mim.taps": mostTaps, "mim.scales": mostTaps, "mim.decoder_dim": mostTaps,
}

// mostOf returns the limit of a key, and whether it has one.
func mostOf(key string) (int, bool) {
	for _, l := range limits {
		if l.key == key {
			return l.most, true
		}
	}
	return 0, false
}

// mostOfField returns the limit of a field's key, from the table or from the tag of a family's field; 0
// for none.
func mostOfField(key string, f reflect.StructField) int {
	if most, ok := mostOf(key); ok {
		return most
	}
	if most, err := strconv.Atoi(f.Tag.Get("most")); err == nil {
		return most
	}
	if name, ok := strings.CutPrefix(key, "model."); ok && !slices.Contains(keysOf(reflect.TypeFor[Model]()), name) {
		if f.Type.Kind() == reflect.Int || f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Int {
			return mostChannels
		}
	}
	return 0
}

// longestOf returns the largest length of a list.
func longestOf(key string, f reflect.StructField) int {
	if n, ok := lengths[key]; ok {
		return n
	}
	if n, err := strconv.Atoi(f.Tag.Get("longest")); err == nil {
		return n
	}
	return mostValues
}

// checkLimits refuses values above their limits, and lists and texts that are too long, in a section.
func checkLimits(section string, v reflect.Value) *problem {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		key := join(section, keyOf(f))
		switch {
		case keyOf(f) == "-": // no key
		case f.Type == reflect.TypeFor[Arch]():
			if v.Field(i).IsNil() {
				continue
			}
			if p := checkLimits(section, v.Field(i).Elem()); p != nil {
				return p
			}
		case f.Type.Kind() == reflect.Struct:
			if p := checkLimits(key, v.Field(i)); p != nil {
				return p
			}
		default:
			if p := checkLimit(key, v.Field(i), mostOfField(key, f), longestOf(key, f)); p != nil {
				return p
			}
		}
	}
	return nil
}

// checkLimit checks one value; most is 0 for no limit.
func checkLimit(key string, v reflect.Value, most, longest int) *problem {
	switch v.Kind() {
	case reflect.Int:
		if n := v.Int(); most > 0 && n > int64(most) {
			return wrong(key, "want %d or less, got %d", most, n)
		}
	case reflect.Float64:
		if f := v.Float(); most > 0 && f > float64(most) {
			return wrong(key, "want %d or less, got %.10g", most, f)
		}
	case reflect.String:
		if n := v.Len(); n > mostText {
			return wrong(key, "want a text of %d bytes or less, got %d", mostText, n)
		}
	case reflect.Slice:
		if n := v.Len(); n > longest {
			return wrong(key, "want %d values or fewer, got %d", longest, n)
		}
		for i := range v.Len() {
			if p := checkLimit(key, v.Index(i), most, mostValues); p != nil {
				return p
			}
		}
	}
	return nil
}

// join returns the name of a key in a section; section is "" for the top of the file.
func join(section, key string) string {
	if section == "" {
		return key
	}
	return section + "." + key
}

// checkOutputs checks that the size of the largest layer's output for a batch can be counted.
func (c *Config) checkOutputs() *problem {
	m, ok := c.Model.Arch.(Sized)
	if !ok {
		return nil
	}
	for _, b := range []struct {
		key  string
		size int
	}{{"train.batch_size", c.Train.BatchSize}, {"train.val_batch_size", c.Train.ValBatchSize}} {
		size := max(c.Data.ImageSize, c.Data.Scale(0))
		values := m.Outputs(size) * float64(b.size)
		if values > mostOutput || math.IsNaN(values) {
			return wrong(b.key, "a layer would have %.3g outputs for a batch of %d images of %d pixels, "+
				"want %.3g or less: make the batch or the images (data.image_size) smaller",
				values, b.size, size, float64(mostOutput)).with("model", "data.image_size", "data.multi_scale")
		}
	}
	return nil
}
