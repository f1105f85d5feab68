package registered

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"fasternet/cli"
	"fasternet/configs"
	"fasternet/graph"
	"fasternet/layers"
	"fasternet/ops"

	"github.com/spf13/cobra"
	"gorgonia.org/gorgonia"
)

// least is a family without anything optional.
type least struct {
	Hidden int `yaml:"hidden"`
}

func (c least) Check(configs.Model) *configs.Problem {
	return configs.AtLeast("model.hidden", c.Hidden, 1)
}

// normed is a family with batch norms. The second of its two types has the method that says so.
type normed struct {
	Width int `yaml:"width"`
}

func (normed) Check(configs.Model) *configs.Problem { return nil }

type saysNormed struct {
	Channels int `yaml:"channels"`
}

func (saysNormed) Check(configs.Model) *configs.Problem { return nil }
func (saysNormed) LastSide(size int) int                { return size / 4 }

// missing is a family whose New returns no model.
type missing struct{}

func (missing) Check(configs.Model) *configs.Problem { return nil }

type leastModel[A configs.Arch] struct {
	graph.Base[A]
	embed *layers.PatchConv
	head  *layers.Classifier
}

func makeLeast[A configs.Arch](norms bool) func(configs.Model, int, *layers.Store) (graph.Model, error) {
	return graph.Maker(func(c configs.Model, _ int, s *layers.Store) (*leastModel[A], error) {
		base, err := graph.NewBase[A](c, s)
		m := &leastModel[A]{Base: base}
		in := c.InChans
		if norms {
			in = 4
			m.embed = layers.NewPatchEmbed(s, c.InChans, in, 4, 4)
		}
		m.head = layers.NewClassifier(s, in, c.NumClasses, layers.TruncatedNormal(0.1))
		return m, err
	})
}

func (m *leastModel[A]) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	var err error
	if m.embed != nil {
		if x, err = m.embed.Forward(p, x); err != nil {
			return nil, err
		}
	}
	if x, err = ops.GlobalAvgPool(p.Tape, "pool", x); err != nil {
		return nil, err
	}
	return m.head.Forward(p, x)
}

func init() {
	family := func(name string, arch configs.Arch) configs.Family {
		return configs.Family{Name: name, Default: func() configs.Model {
			return configs.Model{Arch: arch, InChans: 3, InitStd: 0.02}
		}}
	}
	graph.Register(graph.Family{Config: family("least", least{Hidden: 2}), New: makeLeast[least](false)})
	graph.Register(graph.Family{Config: family("normed", normed{}), New: makeLeast[normed](true)})
	graph.Register(graph.Family{Config: family("says_normed", saysNormed{}), New: makeLeast[saysNormed](true)})
	graph.Register(graph.Family{
		Config: family("without_model", missing{}),
		New: func(configs.Model, int, *layers.Store) (graph.Model, error) {
			return nil, nil
		},
	})
	configs.RegisterPresets(fstest.MapFS{"least_stripes.yaml": {Data: []byte("# The least of models on stripes\n" +
		"data: {name: stripes, image_size: 16, options: {images: 16}}\n" +
		strings.Replace(small, "{name: fasternet, embed_dim: 8, depths: [1, 1, 1, 1], feature_dim: 16}",
			"{name: least}", 1))}})
	cli.Add(func() *cobra.Command {
		n := 0
		c := &cobra.Command{
			Use: "stripes NAME", Short: "A command of the program's own", Args: cobra.ExactArgs(1),
			PreRun: func(*cobra.Command, []string) { n++ },
			RunE: func(cmd *cobra.Command, args []string) error {
				switch args[0] {
				case "usage":
					return cli.Usage(errors.New("stripes do not go there"))
				case "failure":
					return errors.New("the stripes are gone")
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %d\n", args[0], n)
				return err
			},
		}
		c.Flags().IntVar(&n, "width", 1, "pixels")
		return c
	})
}

// A family without any optional methods and hooks works, and errors name the missing ones.
func TestLeastFamily(t *testing.T) {
	dir := t.TempDir()
	list := succeeds(t, dir, "config", "list")
	if !strings.Contains(list, "least_stripes") || !strings.Contains(list, "The least of models on stripes") {
		t.Errorf("config list:\n%s", list)
	}
	version := succeeds(t, dir, "version")
	if !strings.Contains(version, "models: fasternet, vit, swin, ") || !strings.Contains(version, "least") {
		t.Errorf("version:\n%s", version)
	}
	succeeds(t, dir, "train", "least_stripes", "--run", "run", "--set", "ema.decay=0.9",
		"--set", "optim.layer_decay=0.9", "--set", "train.grad_checkpointing=true")
	succeeds(t, dir, "export", "--model", "run", "--out", "run.onnx")
	succeeds(t, dir, "eval", "--model", "run.onnx")
	succeeds(t, dir, "convert", "run", "bare.safetensors", "--naming", "official")
	succeeds(t, dir, "eval", "--model", "bare.safetensors", "--config", "least_stripes")
	succeeds(t, dir, "train", "least_stripes", "--from", "bare.safetensors", "--run", "again")
	succeeds(t, dir, "features", "--dataset", "--model", "run", "--stage", "prelogits", "--out", "f.npy")
	if out := succeeds(t, dir, "summary", "run"); !strings.Contains(out, "head ") {
		t.Errorf("summary:\n%s", out)
	}
	for _, c := range []struct{ want, args string }{
		{"train.frozen_stages: want at most", "train least_stripes --run x --set train.frozen_stages=2"},
		{"a least has no batch norms: want 0", "train least_stripes --run x --set train.precise_bn=64"},
		{"not a least", "train least_stripes --run x --set task=localmim"},
		{`the model has no feature "pooled": it has prelogits`, "features --dataset --model run --out f.npy"},
		{"--stage: the model has no stages; it has prelogits", "features --dataset --model run --stage all --out " +
			"f.safetensors"},
		{"there are no such names for a least: timm; it has official", "convert run folder --naming timm"},
		{"describe the model with --config", "eval --model bare.safetensors"},
		{"belongs to another model: model.hidden is 2 in the checkpoint and 3 in the configuration",
			"train least_stripes --from run --run x --set model.hidden=3"},
		{"must call Pass.TapMap", "viz run --out v.html"},
		{"normed has batch norms: registered.normed must have the method LastSide of configs.BatchNormed",
			"train least_stripes --run x --set model.name=normed"},
		{"New of family without_model: want a model", "train least_stripes --run x --set model.name=without_model"},
	} {
		t.Run(c.args, func(t *testing.T) { fails(t, dir, c.want, strings.Fields(c.args)...) })
	}
}

// A family with batch norms that is not a graph.Foldable works, except for ONNX.
func TestUnfoldable(t *testing.T) {
	dir := t.TempDir()
	succeeds(t, dir, "train", "least_stripes", "--run", "run", "--set", "model.name=says_normed",
		"--set", "train.precise_bn=8")
	succeeds(t, dir, "export", "--model", "run", "--out", "run.safetensors")
	succeeds(t, dir, "eval", "--model", "run.safetensors")
	fails(t, dir, "the model must be a graph.Foldable", "export", "--model", "run", "--out", "run.onnx")
}

// A registered command has the same usage errors and exit codes as the others.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	if out := succeeds(t, dir, "stripes", "three", "--width", "2"); out != "three: 3\n" {
		t.Errorf("it prints %q", out)
	}
	if help := succeeds(t, dir, "--help"); !strings.Contains(help, "A command of the program's own") {
		t.Errorf("help:\n%s", help)
	}
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{2, "stripes do not go there", []string{"usage"}},
		{1, "the stripes are gone", []string{"failure"}},
		{2, "want NAME, got nothing; see fasternet-train stripes --help", nil},
		{2, "unknown flag: --widht, did you mean --width?; see fasternet-train stripes --help",
			[]string{"a", "--widht", "3"}},
	} {
		t.Run(c.want, func(t *testing.T) {
			out, code := exits(t, dir, append([]string{"stripes"}, c.args...)...)
			if code != c.code || out != "fasternet-train: "+c.want+"\n" {
				t.Errorf("exit code %d and %q, want %d and %q", code, out, c.code, c.want)
			}
		})
	}
	defer func() {
		if recover() == nil {
			t.Error("a second command train is accepted")
		}
	}()
	cli.Add(func() *cobra.Command { return &cobra.Command{Use: "train"} })
}
