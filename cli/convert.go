package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/model"

	"github.com/spf13/cobra"
)

// ours is the naming of a checkpoint with our metadata.
const ours = "ours"

func convertCommand() *cobra.Command {
	c := converter{}
	var ema, verbose bool
	cmd := &cobra.Command{
		Use:   "convert MODEL OUT",
		Short: "Convert weights from and to PyTorch, timm and others",
		Long: `Convert weights into the safetensors file OUT, or into a folder for timm.

MODEL is a run, a checkpoint, a folder that timm wrote (config.json and weights), or a file
that PyTorch or the safetensors package wrote: .pth, .pt, .ckpt, .bin or .safetensors, in
any floating type, with the names of the official code, timm, torchvision, Microsoft or
LocalMIM. No code in a pickle is executed. The command finds the weights under any key. It
prefers averaged ones (--weights), and --state-key chooses one of several sets.

OUT is a checkpoint (--naming ours) for eval, predict and train --from, or a bare state
dict with the names and layouts of another program:

  official     FasterNet's authors; of ViT and Swin, LocalMIM (also called localmim)
  timm         timm 1.0, all families
  torchvision  torchvision, ViT and Swin
  microsoft    the authors of Swin

With --naming timm, an OUT that does not end in .safetensors is a folder with config.json that
timm's create_model("local-dir:OUT", pretrained=True) loads. A model that the other program
would compute differently is refused. OUT has only weights, no optimizer state, and for a run
with averaged weights it has those.

The architecture comes from config.json, from a preset with the same shapes, or from the
shapes of the tensors. The command asks for the rest, such as --set model.act_layer=gelu or
relu. If model.num_classes differs from the file, the classifier begins with fresh values.

The table lists the tensors that were loaded, reshaped, dropped, missing or unexpected.
Of a pre-training, ours, official and localmim write everything, with the decoders; the other names
are for its encoder alone, as "export" writes it.

Missing and unexpected ones are an error without --allow-missing. The last line on
standard output is a JSON object with their numbers.`,
		Example: `  fasternet-train convert fasternet_t0-epoch.281-val_acc1.71.9180.pth t0.safetensors
  fasternet-train convert mine.ckpt mine.safetensors --set model.act_layer=relu
  fasternet-train convert runs/quickstart quickstart-timm --naming timm
  fasternet-train convert runs/vit vit-torchvision.safetensors --naming torchvision
  fasternet-train convert model_best.pth.tar best.safetensors --weights plain`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			c.in, c.out = args[0], args[1]
			if err := c.check(); err != nil {
				return usageError{err}
			}
			if err := resolveLoad(&c.load, ema); err != nil {
				return err
			}
			if !verbose {
				c.most = 8
			}
			return c.run()
		},
	}
	cmd.Flags().StringVar(&c.load.Config, "config", "", "`preset` or YAML file of the architecture")
	cmd.Flags().StringArrayVar(&c.load.Settings, "set", nil,
		"change a setting, `key=value`, e.g. model.act_layer=relu; repeatable")
	cmd.Flags().StringVar(&c.naming, "naming", ours, "`names` in OUT: "+strings.Join(namings(), ", "))
	registerLoad(cmd, &c.load, &ema)
	cmd.Flags().BoolVar(&verbose, "verbose", false, "show all tensors in the table")
	c.dry.register(cmd)
	takesModel(cmd)
	return cmd
}

// namings returns the values of --naming.
func namings() []string {
	all := []string{ours}
	for _, n := range torch.AllNamings() {
		all = append(all, string(n))
	}
	return all
}

// converter is a conversion.
type converter struct {
	in, out, naming string
	load            model.LoadOptions
	most            int // lines of a list in the table; 0 for all
	table           model.Table
	dry             dryRun
}

// folder reports whether OUT is a folder for timm.
func (c *converter) folder() bool {
	return c.naming == string(torch.Timm) && filepath.Ext(c.out) != ".safetensors"
}

func (c *converter) check() error {
	if !slices.Contains(namings(), c.naming) {
		return fmt.Errorf("--naming: want %s, got %q", strings.Join(namings(), ", "), c.naming)
	}
	if c.folder() {
		if info, err := os.Stat(c.out); err == nil && !info.IsDir() {
			return fmt.Errorf("%s is a file: want a folder, or a name that ends in .safetensors", c.out)
		}
		if same(c.in, c.out) || same(c.in, filepath.Join(c.out, model.HubWeightsFile)) {
			return fmt.Errorf("%s is the input: give another folder", c.out)
		}
		return model.CheckHubFolder(c.out)
	}
	if filepath.Ext(c.out) != ".safetensors" {
		return fmt.Errorf("%s: want a name that ends in .safetensors%s",
			c.out,
			map[bool]string{true: ", or --naming timm for a folder"}[c.naming == ours && filepath.Ext(c.out) == ""])
	}
	if same(c.in, c.out) {
		return fmt.Errorf("%s is the input: give another file", c.out)
	}
	return nil
}

// same reports whether two paths lead to the same file.
func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func (c *converter) run() error {
	c.load.Headless = true
	c.load.Report = func(t model.Table) { c.table = t }
	l, err := c.open()
	if errors.Is(err, model.ErrPretraining) {
		if c.naming == ours || c.naming == string(torch.Official) || c.naming == string(torch.LocalMIM) {
			return c.pretraining()
		}
		c.load.Encoder = true // other programs have no pre-training, but its backbone
		l, err = c.open()
	}
	if err := c.show(err); err != nil {
		return err
	}
	if f, ok := l.Model.(graph.Foldable); ok && f.Folded() && c.naming == ours {
		return usageError{fmt.Errorf("%s is an export, which eval and predict read directly: add --naming official",
			l.Path)}
	}
	if l.Headless && c.naming == ours {
		return usageError{fmt.Errorf("%s has no classifier, but a checkpoint needs one: "+
			"add --set model.num_classes=N for a fresh one, or use the file with train --from",
			l.Path)}
	}
	if same(l.Path, c.out) {
		return usageError{fmt.Errorf("%s is the input: give another file to write", c.out)}
	}
	if c.dry.asked {
		return c.dry.say("convert "+which(l), c.out)
	}
	if err := c.write(l); err != nil {
		return err
	}
	classes := l.Model.Classes()
	if l.Headless {
		classes = 0
	}
	return c.print(classes, l.Used())
}

// open reads the model. A bare state dict holds neither the activation nor the attention heads, so any value
// will do if the weights do not tell them.
func (c *converter) open() (*model.Loaded, error) {
	l, err := model.Open(c.in, c.load)
	if c.naming == ours || c.folder() {
		return l, err
	}
	switch {
	case errors.Is(err, model.ErrActivation):
		c.load.Settings = append(c.load.Settings, "model.act_layer=gelu")
	case errors.Is(err, model.ErrHeads):
		c.load.Settings = append(c.load.Settings, "model.num_heads=1")
	default:
		return l, err
	}
	return model.Open(c.in, c.load)
}

// show shows the table of a model, also if opening it failed.
func (c *converter) show(err error) error {
	if c.table.Path != "" {
		if err := c.table.Write(os.Stdout, c.most); err != nil {
			return err
		}
	}
	var config model.ConfigError
	if errors.As(err, &config) {
		return usageError{err}
	}
	return err
}

// print prints the numbers of the table.
func (c *converter) print(classes int, used string) error {
	t := c.table
	return printJSON(struct {
		Out        string `json:"out"`
		Naming     string `json:"naming"`
		Weights    string `json:"weights"`
		Classes    int    `json:"classes"`
		Loaded     int    `json:"loaded"`
		Reshaped   int    `json:"reshaped"`
		Dropped    int    `json:"dropped"`
		Fresh      int    `json:"fresh"`
		Missing    int    `json:"missing"`
		Unexpected int    `json:"unexpected"`
	}{
		c.out, c.naming, used, classes, len(t.Loaded), len(t.Reshaped), len(t.Dropped), len(t.Fresh),
		len(t.Missing), len(t.Unexpected),
	})
}

func (c *converter) write(l *model.Loaded) error {
	if err := model.NotInt8(l.Model); err != nil {
		return fmt.Errorf("%s: %w", c.in, err)
	}
	if c.naming == ours {
		meta, err := l.Meta()
		if err != nil {
			return err
		}
		meta[model.UsedKey] = l.Used()
		return checkpoints.Write(c.out, checkpoints.File{Meta: meta, Tensors: model.Tensors(l.Model.Store())})
	}
	var err error
	if c.folder() {
		var note string
		if note, err = model.WriteHub(l, c.out); note != "" {
			showNotes([]string{note})
		}
	} else {
		var ts []formats.Tensor
		if ts, err = model.Export(l, torch.Naming(c.naming)); err == nil {
			err = writeBare(c.out, ts, l.Used())
		}
	}
	if errors.Is(err, model.ErrNaming) || errors.Is(err, model.ErrOtherCode) || errors.Is(err, model.ErrUntrained) {
		return usageError{fmt.Errorf("--naming %s: %w", c.naming, err)}
	}
	return err
}

// writeBare writes a state dict for PyTorch. Python's safetensors package writes "pt" for it.
func writeBare(path string, ts []formats.Tensor, used string) error {
	return checkpoints.Write(path, checkpoints.File{
		Meta:    map[string]string{model.FormatKey: "pt", model.UsedKey: used},
		Tensors: ts,
	})
}

// pretraining converts the state of a pre-training.
func (c *converter) pretraining() error {
	net, err := model.OpenLocalMIM(c.in, c.load)
	if err := c.show(err); err != nil {
		return err
	}
	if c.dry.asked {
		return c.dry.say("convert the pre-training "+c.in, c.out)
	}
	var ts []formats.Tensor
	used := (&model.Loaded{Average: c.table.EMA}).Used()
	if c.naming == ours {
		meta, err := model.Meta(net.Config(), []string{})
		if err != nil {
			return err
		}
		meta[model.UsedKey] = used
		err = checkpoints.Write(c.out, checkpoints.File{Meta: meta, Tensors: model.Tensors(net.Store())})
		if err != nil {
			return err
		}
		return c.print(0, used)
	}
	if ts, err = model.ExportPretraining(net, torch.Naming(c.naming)); err != nil {
		return usageError{fmt.Errorf("--naming %s: %w; export writes only the encoder", c.naming, err)}
	}
	if err := writeBare(c.out, ts, used); err != nil {
		return err
	}
	return c.print(0, used)
}
