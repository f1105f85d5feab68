package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/eval"
	"fasternet/eval/predict"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/internal/reference"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// modelFlags say which model a command uses, and how it sees images.
type modelFlags struct {
	path                 string
	load                 model.LoadOptions
	fresh                *configs.Config // of a model with fresh weights, in the place of path
	batch, threads, size int
	cropRatio            float64
	onBad                string
	precision            string
	changed              func(option string) bool // says whether an option was given
	ema                  bool
}

// register adds the flags of a command that looks at images.
func (f *modelFlags) register(c *cobra.Command) {
	f.registerModel(c)
	c.Flags().IntVar(&f.batch, "batch", 0, "images at a time (train.val_batch_size)")
	c.Flags().Float64Var(&f.cropRatio, "crop-ratio", 0, "crop the centre, which is this `part` of the shorter side, whatever the size (data.test_crop_ratio)")
	c.Flags().StringVar(&f.precision, "precision", "fp32", "`format` of the factors of matrix products: fp32, bf16, or auto for bf16 if the processor has it")
	c.Flags().StringVar(&f.onBad, "on-bad-image", "error", "`what` to do with an image that cannot be read: error or skip")
}

// registerLoad adds the flags that say which weights of a file are taken, and what may be
// wrong with them. The command has to call [resolveLoad].
func registerLoad(c *cobra.Command, o *model.LoadOptions, ema *bool) {
	c.Flags().StringVar((*string)(&o.Weights), "weights", string(torch.Auto), "`which` weights of a file that has both: averaged (ema), of the last step (plain), or averaged if there are any (auto)")
	c.Flags().BoolVar(ema, "ema", false, "the same as --weights ema")
	c.Flags().StringVar(&o.StateKey, "state-key", "", "`key` of the weights in a file of PyTorch that has several, e.g. model_ema")
	c.Flags().BoolVar(&o.AllowMissing, "allow-missing", false, "go on if tensors are missing (they have fresh values) or unexpected")
	c.Flags().BoolVar(&o.AllowNaN, "allow-nan", false, "go on if weights are NaN or infinite")
}

// resolveLoad checks the flags of registerLoad.
func resolveLoad(o *model.LoadOptions, ema bool) (err error) {
	if ema {
		if o.Weights != torch.Auto && o.Weights != torch.EMA {
			return usageError{fmt.Errorf("--ema is --weights ema, and --weights is %s", o.Weights)}
		}
		o.Weights = torch.EMA
	}
	if o.Weights, err = torch.ParseChoice(string(o.Weights)); err != nil {
		return usageError{fmt.Errorf("--weights: %w", err)}
	}
	return nil
}

// registerModel adds those that say which model.
func (f *modelFlags) registerModel(c *cobra.Command) {
	f.onBad, f.changed = "error", c.Flags().Changed
	c.Flags().StringVar(&f.load.Config, "config", "", "`preset` or YAML file, for weights that come without one")
	c.Flags().StringArrayVar(&f.load.Settings, "set", nil, "change a setting, `key=value`, e.g. model.act_layer=gelu; repeatable")
	registerLoad(c, &f.load, &f.ema)
	c.Flags().IntVar(&f.threads, "threads", 0, "threads of the kernels; 0 for one a processor, whatever the model's file says")
	c.Flags().IntVar(&f.size, "size", 0, "side of the images (data.image_size)")
}

// openModel opens the model, and the configuration with the options applied.
func openModel(f *modelFlags, dataDir string) (*model.Loaded, *configs.Config, error) {
	if reference.IsReference(f.path) {
		if _, err := reference.Parse(f.path); err != nil {
			return nil, nil, usageError{err}
		}
	}
	if f.onBad != "error" && f.onBad != "skip" {
		return nil, nil, usageError{fmt.Errorf("--on-bad-image: want error or skip, got %q", f.onBad)}
	}
	if f.precision != "" {
		if _, err := kernels.Default().ParsePrecision(f.precision); err != nil {
			return nil, nil, usageError{fmt.Errorf("--precision: %w", err)}
		}
	}
	if err := resolveLoad(&f.load, f.ema); err != nil {
		return nil, nil, err
	}
	dropped := 0
	f.load.Report = func(t model.Table) {
		dropped = len(t.Dropped)
		showNotes(t.Notes)
	}
	m, err := f.open()
	var wrong model.ConfigError
	if errors.As(err, &wrong) {
		return nil, nil, usageError{err}
	}
	if err != nil {
		return nil, nil, err
	}
	if dropped > 0 {
		return nil, nil, usageError{fmt.Errorf("%s: model.num_classes is %d, its classifier is for another number: it would give random answers", f.path, m.Model.Classes())}
	}
	noteBest(f.path, m)
	config, err := f.config(m.Config, dataDir)
	if err != nil {
		return nil, nil, usageError{err}
	}
	if v, ok := m.Model.(graph.Sized); ok {
		if note := v.SizeNote(config.Data.ImageSize); note != "" {
			showNotes([]string{note})
		}
	}
	return m, config, nil
}

// which names a model by its file, and says if its weights are averaged ones.
func which(m *model.Loaded) string {
	if m.Average {
		return "the averaged weights (EMA) of " + m.Path
	}
	return m.Path
}

// showNotes shows notes about weights that were read.
func showNotes(notes []string) {
	show := display()
	for _, n := range notes {
		show.Line("%s", model.Remark(n))
	}
}

// showPadding warns if the program that wrote the weights computes something else of arrays
// whose images are not of the size in the configuration, which has been looked at.
func showPadding(show *train.Display, m *model.Loaded, in *predict.Inputs) {
	for _, size := range in.ArraySizes() {
		note := m.Padding(size[0], size[1])
		if d := m.Config.Data.ImageSize; note != "" && (size[0] != d || size[1] != d) {
			show.Line("%s", note)
		}
	}
}

// showKnown notes that a model was trained on images that are validated now.
func showKnown(show *train.Display, path string, d configs.Data) {
	was := model.TrainedOn(path)
	if was == nil {
		return
	}
	if note := eval.KnownNote(*was, d); note != "" {
		show.Line("note: %s", note)
	}
}

func (f *modelFlags) open() (*model.Loaded, error) {
	if f.fresh == nil {
		return model.Open(f.path, f.load)
	}
	m, err := model.New(f.fresh, 0)
	return &model.Loaded{Model: m, Config: f.fresh, Path: f.path}, err
}

// openInference opens the model in the form that is fastest: its batch norms
// are folded.
func openInference(f *modelFlags, dataDir string) (*model.Loaded, *configs.Config, error) {
	m, config, err := openModel(f, dataDir)
	if err == nil {
		m.Model, err = graph.ForInference(m.Model)
	}
	return m, config, err
}

func isPrecision(setting string) bool { return strings.HasPrefix(setting, "precision=") }

func (f *modelFlags) skipBad() bool { return f.onBad == "skip" }

// config applies the options to the configuration of a checkpoint, through the
// checks of package configs.
func (f *modelFlags) config(c *configs.Config, dataDir string) (*configs.Config, error) {
	settings := []string{"data.on_bad_image=" + f.onBad}
	// What a run trained in says nothing: without the option it is fp32, unless --set asks for another.
	if f.precision != "" && (f.changed("precision") || !slices.ContainsFunc(f.load.Settings, isPrecision)) {
		settings = append(settings, "precision="+f.precision)
	}
	if f.threads != 0 {
		settings = append(settings, fmt.Sprintf("threads=%d", f.threads))
	}
	if dataDir != "" {
		settings = append(settings, "data.dir="+quoted(dataDir))
	}
	// A 0 that was given is checked, and not passed over.
	if f.changed("batch") {
		settings = append(settings, fmt.Sprintf("train.val_batch_size=%d", f.batch))
	}
	if f.changed("size") {
		settings = append(settings, fmt.Sprintf("data.image_size=%d", f.size), "data.multi_scale=''")
	}
	if f.changed("crop-ratio") {
		settings = append(settings, fmt.Sprintf("data.test_crop_ratio=%v", f.cropRatio))
	}
	text, err := c.YAML()
	if err != nil {
		return nil, err
	}
	c, err = configs.Parse("config in the checkpoint", string(text), settings...)
	if err != nil {
		return nil, err
	}
	if f.load.Config == "" && dataDir == "" { // else the paths are meant from here
		for _, note := range c.Locate(model.Paths(f.path).Without(f.load.Settings)) {
			display().Line("note: %s", note)
		}
	}
	return c, nil
}

// fewLines is how much of a list is shown without --verbose.
const fewLines = 10

// showSkipped says which images were left out, and why.
func showSkipped(show *train.Display, skipped []eval.Bad, all bool) {
	if len(skipped) == 0 {
		return
	}
	show.Line("left out, since they cannot be read: %d images", len(skipped))
	for i, s := range skipped {
		if i == fewLines && !all {
			show.Line("  … and %d more", len(skipped)-i)
			break
		}
		show.Line("  %s: %s", s.Name, strings.TrimPrefix(reason(s), ": "))
	}
}

// reason is the error of a bad image without its name, which is shown already.
func reason(s eval.Bad) string {
	text := s.Err.Error()
	if _, after, ok := strings.Cut(text, s.Name); ok {
		return after
	}
	return text
}

// showNotFinite says for which images the model computes no numbers.
func showNotFinite(show *train.Display, names []string) {
	if len(names) > 0 {
		show.Line("warning: logits that are NaN or infinite for %d images, the first is %s", len(names), names[0])
	}
}
