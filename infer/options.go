package infer

import (
	"fmt"
	"time"

	"fasternet/data/picture"
	"fasternet/kernels"
)

// Option changes how a model is opened.
type Option func(*settings) error

// OptionError says that an option of [Open] has a value that is not allowed.
type OptionError struct{ Err error }

func (e *OptionError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// settings are the values of the options, with their defaults.
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

// Threads sets how many threads compute, and how many images may be prepared at the same time. The
// default, 0, means one for every processor.
func Threads(n int) Option {
	return func(s *settings) error {
		if n < 0 || n > 4096 {
			return fmt.Errorf("infer: Threads: want 1 to 4096, or 0 for one per processor, got %d", n)
		}
		s.threads = n
		return nil
	}
}

// MaxBatch sets how many images are computed together at most, 1 to [MostBatch]. The default is 16.
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

// MaxDelay sets how long a prepared image waits for images that are being decoded at that moment, so
// that they are computed together. A single image never waits. The default, 0, does not wait:
// images still come together when the processors are busy.
func MaxDelay(d time.Duration) Option {
	return func(s *settings) error {
		if d < 0 || d > time.Minute {
			return fmt.Errorf("infer: MaxDelay: want 0 to 1 minute, got %v", d)
		}
		s.maxDelay = d
		return nil
	}
}

// Precision sets the format of the factors of matrix products: fp32, the default; bf16, which is
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

// MaxPixels sets how many pixels an image may have, so that no file can take all memory; decoding
// takes about 8 bytes for each pixel. The default, 178,956,970 as in Pillow, is also the largest
// value.
func MaxPixels(n int) Option {
	return func(s *settings) error {
		if n < 1 || n > picture.MaxPixels {
			return fmt.Errorf("infer: MaxPixels: want 1 to %d, got %d", picture.MaxPixels, n)
		}
		s.maxPixels = n
		return nil
	}
}

// TopK sets how many classes [Model.Classify] returns for each image. The default is 5.
func TopK(k int) Option {
	return func(s *settings) error {
		if k < 1 {
			return fmt.Errorf("infer: TopK: want 1 or more, got %d", k)
		}
		s.topK = k
		return nil
	}
}

// Config gives the configuration for weights without one: a preset or a YAML file, and settings to
// change it, such as model.act_layer=gelu. With "", the settings change the file's own configuration.
func Config(presetOrFile string, set ...string) Option {
	return func(s *settings) error {
		s.config, s.configured = presetOrFile, set
		return nil
	}
}

// Labels gives the names of the classes, in the order of the outputs, for weights without names. An
// output without a name, or with an empty one, is not among the classes of an image.
func Labels(names ...string) Option {
	return func(s *settings) error {
		s.labels = names
		return nil
	}
}

// Notes sets a function that gets notes about the weights, a line each.
func Notes(f func(note string)) Option {
	return func(s *settings) error {
		if f != nil {
			s.notes = f
		}
		return nil
	}
}
