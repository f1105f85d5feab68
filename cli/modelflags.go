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
	"fasternet/internal/printable"
	"fasternet/internal/reference"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// modelFlags choose the model of a command, and how it sees images.
type modelFlags struct {
	path                 string
	load                 model.LoadOptions
	fresh                *configs.Config // of a model with fresh weights, instead of path
	batch, threads, size int
	cropRatio            float64
	onBad                string // error or skip; "" for what the configuration says
	precision            string
	changed              func(option string) bool // reports whether an option was given
	ema                  bool
}

// register adds the flags of a command that looks at images.
func (f *modelFlags) register(c *cobra.Command) {
	f.registerModel(c)
	c.Flags().IntVar(&f.batch, "batch", 0, "images per batch (train.val_batch_size)")
	c.Flags().Float64Var(&f.cropRatio, "crop-ratio", 0,
		"crop the centre to this `part` of the shorter side, at any size (data.test_crop_ratio)")
	c.Flags().StringVar(&f.precision, "precision", "fp32",
		"`format` of matrix products: fp32, bf16, or auto for bf16 if the processor has it")
	c.Flags().StringVar(&f.onBad, "on-bad-image", "error", "`what` to do with an unreadable image: error or skip")
}

// registerLoad adds the flags that choose the weights of a file, and what may be wrong with them. The command
// must call [resolveLoad].
func registerLoad(c *cobra.Command, o *model.LoadOptions, ema *bool) {
	c.Flags().StringVar((*string)(&o.Weights), "weights", string(torch.Auto),
		"`which` weights to use: averaged (ema), of the last step (plain), or averaged if there are any (auto)")
	c.Flags().BoolVar(ema, "ema", false, "the same as --weights ema")
	c.Flags().StringVar(&o.StateKey, "state-key", "",
		"`key` of the weights in a PyTorch file with several sets, e.g. model_ema")
	c.Flags().BoolVar(&o.AllowMissing, "allow-missing", false,
		"allow missing tensors (they get fresh values) and unexpected ones")
	c.Flags().BoolVar(&o.AllowNaN, "allow-nan", false, "allow NaN and infinite weights")
}

// resolveLoad checks the flags of registerLoad.
func resolveLoad(o *model.LoadOptions, ema bool) (err error) {
	if ema {
		if o.Weights != torch.Auto && o.Weights != torch.EMA {
			return usageError{fmt.Errorf("--ema means --weights ema, but --weights is %s", o.Weights)}
		}
		o.Weights = torch.EMA
	}
	if o.Weights, err = torch.ParseChoice(string(o.Weights)); err != nil {
		return usageError{fmt.Errorf("--weights: %w", err)}
	}
	return nil
}

// registerModel adds the flags that choose the model.
func (f *modelFlags) registerModel(c *cobra.Command) {
	f.onBad, f.changed = "error", c.Flags().Changed
	c.Flags().StringVar(&f.load.Config, "config", "", "`preset` or YAML file, for weights without a configuration")
	c.Flags().StringArrayVar(&f.load.Settings, "set", nil,
		"change a setting, `key=value`, e.g. model.act_layer=gelu; repeatable")
	registerLoad(c, &f.load, &f.ema)
	c.Flags().IntVar(&f.threads, "threads", 0,
		"threads of the kernels; 0 for one per processor, whatever the model's file says")
	c.Flags().IntVar(&f.size, "size", 0, "side of the images (data.image_size)")
}

// openModel opens the model, and returns its configuration with the options applied.
func openModel(f *modelFlags, dataDir string) (*model.Loaded, *configs.Config, error) {
	if reference.IsReference(f.path) {
		if _, err := reference.Parse(f.path); err != nil {
			return nil, nil, usageError{err}
		}
	}
	if f.onBad != "error" && f.onBad != "skip" && (f.onBad != "" || f.changed("on-bad-image")) {
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
		return nil, nil, usageError{fmt.Errorf("%s: model.num_classes is %d, "+
			"but its classifier has a different number and "+
			"would give random answers",
			f.path, m.Model.Classes())}
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

// which names a model by its file, and says if its weights are averaged.
func which(m *model.Loaded) string {
	if m.Average {
		return "the averaged weights (EMA) of " + m.Path
	}
	return m.Path
}

// showNotes shows notes about the weights.
func showNotes(notes []string) {
	show := display()
	for _, n := range notes {
		show.Line("%s", model.Remark(n))
	}
}

// showPadding warns if the program that wrote the weights computes something else for arrays of another image
// size than the configuration's, which was checked already.
func showPadding(show *train.Display, m *model.Loaded, in *predict.Inputs) {
	for _, size := range in.ArraySizes() {
		note := m.Padding(size[0], size[1])
		if d := m.Config.Data.ImageSize; note != "" && (size[0] != d || size[1] != d) {
			show.Line("%s", note)
		}
	}
}

// showKnown warns if the model was trained on images that are now in the validation part.
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

// openInference opens the model in its fastest form, with folded batch norms.
func openInference(f *modelFlags, dataDir string) (*model.Loaded, *configs.Config, error) {
	m, config, err := openModel(f, dataDir)
	if err == nil {
		m.Model, err = graph.ForInference(m.Model)
	}
	return m, config, err
}

func isPrecision(setting string) bool { return strings.HasPrefix(setting, "precision=") }

func (f *modelFlags) skipBad() bool { return f.onBad == "skip" }

// config applies the options to the configuration of a checkpoint, and checks them.
func (f *modelFlags) config(c *configs.Config, dataDir string) (*configs.Config, error) {
	var settings []string
	if f.onBad != "" {
		settings = append(settings, "data.on_bad_image="+f.onBad)
	}
	// The precision of training does not matter: the default is fp32, unless --set changes it.
	if f.precision != "" && (f.changed("precision") || !slices.ContainsFunc(f.load.Settings, isPrecision)) {
		settings = append(settings, "precision="+f.precision)
	}
	if f.threads != 0 {
		settings = append(settings, fmt.Sprintf("threads=%d", f.threads))
	}
	if dataDir != "" {
		settings = append(settings, "data.dir="+quoted(dataDir))
	}
	// A given 0 is checked, not ignored.
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
	if f.load.Config == "" && dataDir == "" { // otherwise paths start from the working folder
		for _, note := range c.Locate(model.Paths(f.path).Without(f.load.Settings)) {
			display().Line("note: %s", note)
		}
	}
	return c, nil
}

// fewLines is the length of lists without --verbose.
const fewLines = 10

// showSkipped lists the images that were left out, and why.
func showSkipped(show *train.Display, skipped []eval.Bad, all bool) {
	if len(skipped) == 0 {
		return
	}
	show.Line("left out, because they cannot be read: %s", printable.Count(len(skipped), "image"))
	for i, s := range skipped {
		if i == fewLines && !all {
			show.Line("  … and %d more", len(skipped)-i)
			break
		}
		show.Line("  %s: %s", s.Name, strings.TrimPrefix(reason(s), ": "))
	}
}

// reason returns the error of a bad image without its name, which is shown already.
func reason(s eval.Bad) string {
	text := s.Err.Error()
	if _, after, ok := strings.Cut(text, s.Name); ok {
		return after
	}
	return text
}

// showNotFinite names images for which the model computes NaN or infinite values.
func showNotFinite(show *train.Display, names []string) {
	if len(names) > 0 {
		show.Line("warning: the logits of %s are NaN or infinite, the first: %s",
			printable.Count(len(names), "image"), names[0])
	}
}
