package recipe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/sets"
	"fasternet/eval"
)

// fashionMNIST is a data set without a folder.
const fashionMNIST = "fashion-mnist"

// arrays are formats of pixels, not of files from a camera.
var arrays = []string{fashionMNIST, "idx", "cifar10", "cifar100", "cifar100-coarse"}

// looked is the number of images that mean and deviation are measured on.
const looked = 256

// look collects what the rules need to know about the images, and opens the training part.
func look(ctx context.Context, o Options) (f Facts, train data.Dataset, err error) {
	f = Facts{Dir: o.Data, Task: o.Task, From: o.From, Budget: o.Budget, After: o.After}
	if f.Format, err = formatOf(o); err != nil {
		return f, nil, err
	}
	if f.Format == fashionMNIST && o.Data == fashionMNIST {
		f.Dir = ""
	}
	f.Files = !slices.Contains(arrays, f.Format)
	var val data.Dataset
	var c *configs.Config
	err = o.within(ctx, func(ctx context.Context) (err error) {
		train, val, c, err = open(ctx, &f, o.Settings)
		return err
	})
	if err != nil {
		return f, nil, err
	}
	if n := c.Data.MaxPerClass; n > 0 {
		train = data.Few(train, n, c.Seed)
	}
	f.Train, f.Val, f.Threads = train.Len(), val.Len(), c.Threads
	if f.Task == "classify" {
		if err := data.CheckLabels(train, "training"); err != nil {
			return f, nil, err
		}
		if _, _, err := eval.WithClassesOf(train, val); err != nil {
			return f, nil, err
		}
	}
	if f.Train < 2 {
		return f, nil, fmt.Errorf("%s: want two training images or more, got %d", o.Data, f.Train)
	}
	skip := c.Data.OnBadImage == "skip"
	info, err := data.Describe(train, skip)
	if err != nil {
		return f, nil, fmt.Errorf("%w; data verify names all images that cannot be read, "+
			"and --set data.on_bad_image=skip leaves them out", err)
	}
	if info.Decoded == 0 {
		return f, nil, fmt.Errorf("%s: none of the %d inspected images can be read: %w", o.Data, info.Bad, info.BadErr)
	}
	f.Counts, f.Symbols = info.Counts, symbols(info.Classes)
	f.Side, f.Least = min(info.Height.Median, info.Width.Median), min(info.Height.Min, info.Width.Min)
	f.Most = max(info.Height.Max, info.Width.Max)
	return f, train, f.measure(ctx, train, info.Grey == info.Decoded, c, skip)
}

// symbols reports whether each class is named by one letter or digit, like the classes of MNIST.
func symbols(classes []string) bool {
	return len(classes) > 0 && !slices.ContainsFunc(classes, func(name string) bool {
		r, size := utf8.DecodeRuneInString(name)
		return size != len(name) || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// measure finds mean and deviation, and whether images are in colour: files of three channels may have three
// equal ones.
func (f *Facts) measure(ctx context.Context, train data.Dataset, grey bool, c *configs.Config, skip bool) error {
	channels := 3
	if f.Grey = grey; grey {
		channels = 1
	}
	s, err := data.Measure(ctx, train, channels, looked, c.Data.Workers, skip)
	if err != nil {
		return err
	}
	if !grey && spread(s.Mean) < 1e-9 && spread(s.Std) < 1e-9 {
		f.Grey, s.Mean, s.Std = true, s.Mean[:1], s.Std[:1]
	}
	for i := range s.Mean {
		f.Mean = append(f.Mean, three(s.Mean[i]))
		f.Std = append(f.Std, max(three(s.Std[i]), 0.01)) // at least 0.01, in case all images are alike
	}
	return nil
}

func three(v float64) float64 { return math.Round(1000*v) / 1000 }

func spread(v []float64) float64 { return slices.Max(v) - slices.Min(v) }

// formatOf returns the format of the data set.
func formatOf(o Options) (string, error) {
	for _, s := range o.Settings {
		if name, ok := strings.CutPrefix(s, "data.name="); ok {
			return name, nil
		}
	}
	if o.Data == fashionMNIST {
		return fashionMNIST, nil
	}
	info, err := os.Stat(o.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("--data: folder %s does not exist", o.Data)
	case err != nil:
		return "", fmt.Errorf("--data: %w", err)
	case !info.IsDir():
		return "", fmt.Errorf("--data: %s is a file: want the folder of a data set%s", o.Data, sets.UnpackHint(o.Data))
	}
	return sets.FormatIn(o.Data), nil
}

// open opens both parts. If there is no validation part, it holds out some training images.
func open(ctx context.Context, f *Facts, settings []string) (train, val data.Dataset, c *configs.Config, err error) {
	configured := func(fraction float64) (*configs.Config, error) {
		d := draft{settings: settings}
		d.set("task", f.Task, "")
		d.set("data.name", f.Format, "")
		if f.Dir != "" {
			d.set("data.dir", f.Dir, "")
		}
		if fraction > 0 {
			d.set("data.val_fraction", fraction, "")
			d.set("data.val_split", configs.GroupedSplit, "")
		}
		err := d.resolve()
		return d.config, err
	}
	if c, err = configured(0); err != nil {
		return nil, nil, c, err
	}
	train, val, first := sets.OpenBoth(ctx, c.Data)
	if first == nil || c.Data.HoldsOut() || c.Data.Val != "" {
		return train, val, c, first
	}
	if c, err = configured(held(0)); err != nil {
		return nil, nil, nil, err
	}
	whole, err := sets.OpenWhole(c.Data)
	if c.Data.Val == "" && sets.UnusedValidation(c.Data) != "" { // a validation part exists, but cannot be used
		return nil, nil, nil, first
	}
	if err == nil {
		f.Held = held(whole.Len())
		if c, err = configured(f.Held); err != nil {
			return nil, nil, nil, err
		}
		train, val, err = sets.HoldOut(ctx, c.Data, whole)
	}
	if err != nil {
		// The user has not asked for data.val_fraction.
		if text, ok := strings.CutPrefix(err.Error(), "data.val_fraction: data: "); ok {
			err = fmt.Errorf("%s: %s", f.Dir, text)
		}
		return nil, nil, nil, err
	}
	return train, val, c, nil
}
