package infer

import (
	"fmt"
	"time"

	"fasternet/data/picture"
	"fasternet/kernels"
)

// Option changes how a model is opened.
type Option func(*settings) error

// OptionError says that an option of [Open] has a value that cannot be.
type OptionError struct{ Err error }

func (e *OptionError) Error() string { return e.Err.Error() }

// Unwrap is what is wrong with it.
func (e *OptionError) Unwrap() error { return e.Err }

// settings are the options with their defaults.
type settings struct {
	threads    int
	maxBatch   int
	maxDelay   time.Duration
	maxPixels  int
	topK       int
	precision  string
	config     string
	configured []string
	labels     []string
	notes      func(string)
}

// MostBatch is the largest value for [MaxBatch].
const MostBatch = 64

func defaults() settings {
	return settings{maxBatch: 16, maxPixels: picture.MaxPixels, topK: 5, precision: "fp32", notes: func(string) {}}
}

// Threads is how many threads compute; so many images are also prepared at a time. The default, 0,
// is one for every processor.
func Threads(n int) Option {
	return func(s *settings) error {
		if n < 0 || n > 4096 {
			return fmt.Errorf("infer: Threads: want 1 to 4096, or 0 for one a processor, got %d", n)
		}
		s.threads = n
		return nil
	}
}

// MaxBatch is how many images are computed together at most, 1 to [MostBatch]. The default is 16.
// Memory grows with it.
func MaxBatch(n int) Option {
	return func(s *settings) error {
		if n < 1 || n > MostBatch {
			return fmt.Errorf("infer: MaxBatch: want 1 to %d, got %d", MostBatch, n)
		}
		s.maxBatch = n
		return nil
	}
}

// MaxDelay is how long an image that is ready waits for others that are being decoded at that
// moment, so that they are computed together. An image that is alone never waits. The default, 0,
// takes only what is there: images come together by themselves when the processors are busy.
func MaxDelay(d time.Duration) Option {
	return func(s *settings) error {
		if d < 0 || d > time.Minute {
			return fmt.Errorf("infer: MaxDelay: want 0 to 1 minute, got %v", d)
		}
		s.maxDelay = d
		return nil
	}
}

// Precision is the format of the factors of matrix products: fp32, the default; bf16, which is
// faster on processors that have it, and an error on others; or auto, bf16 if the processor has it.
func Precision(name string) Option {
	return func(s *settings) error {
		if _, err := kernels.Default().ParsePrecision(name); err != nil {
			return fmt.Errorf("infer: Precision: %w", err)
		}
		s.precision = name
		return nil
	}
}

// MaxPixels is how many pixels an image may have, so that nobody's file takes all memory; about
// 8 bytes are needed for each while it is decoded. The default is 178,956,970, as in Pillow, which
// no value exceeds.
func MaxPixels(n int) Option {
	return func(s *settings) error {
		if n < 1 || n > picture.MaxPixels {
			return fmt.Errorf("infer: MaxPixels: want 1 to %d, got %d", picture.MaxPixels, n)
		}
		s.maxPixels = n
		return nil
	}
}

// TopK is how many classes [Model.Classify] returns for each image. The default is 5.
func TopK(k int) Option {
	return func(s *settings) error {
		if k < 1 {
			return fmt.Errorf("infer: TopK: want 1 or more, got %d", k)
		}
		s.topK = k
		return nil
	}
}

// Config is for weights that do not say what they are for: a preset, or a YAML file, and settings
// on top of it, such as model.act_layer=gelu. With "" the settings change what the file says.
func Config(presetOrFile string, set ...string) Option {
	return func(s *settings) error {
		s.config, s.configured = presetOrFile, set
		return nil
	}
}

// Labels are the names of the classes, in the order of the outputs, for weights without them. An
// output with an empty name, or without one, is not among the classes of an image.
func Labels(names ...string) Option {
	return func(s *settings) error {
		s.labels = names
		return nil
	}
}

// Notes is told, in a line each, what is worth to know about the weights that are opened.
func Notes(f func(note string)) Option {
	return func(s *settings) error {
		if f != nil {
			s.notes = f
		}
		return nil
	}
}
