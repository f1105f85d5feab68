package cli

import (
	"fmt"
	"os"
	"text/tabwriter"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/localmim"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

func summaryCommand() *cobra.Command {
	var size int
	var folded bool
	var settings []string
	c := &cobra.Command{
		Use:   "summary MODEL",
		Short: "Show the layers of a model, its parameters, MACs and activations",
		Long: `Show the layers of a model with their output shapes, parameters, MACs and activations for one
image. ` + modelHelp + `

One multiply-add is one MAC. There are two counts: the MACs of convolutions and linear layers, and
"incl. norms", which adds 2 for every element of a batch norm and 1 for every input of the pool.
Table 8 of the FasterNet paper has the first, for folded batch norms; its table 3 has the second,
for the model as trained. Activations are the outputs of convolutions and linear layers.

MACs and activations leave out the two products in attention, queries by keys and weights by
values. An extra line includes them. Published tables of transformers have either: timm's of ViT
without (16.5 M activations for ViT-B), Swin's with them (17.1 M for Swin-T).

The totals are shown with and without folded batch norms. The table shows the model as trained, or
with --folded the folded one.`,
		Example: `  fasternet-train summary fasternet_t0
  fasternet-train summary fasternet_s --size 192 --folded
  fasternet-train summary runs/quickstart --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			config, net, err := modelArgument(args[0], settings)
			if err != nil {
				return err
			}
			if size == 0 {
				size = config.Data.ImageSize
			}
			if err := config.Model.CheckImageSize(size); err != nil {
				return usageError{err}
			}
			if net == nil && config.Task == "localmim" {
				return pretrainingSummary(args[0], config, size)
			}
			if net == nil {
				config.Model.NumClasses = max(config.Model.NumClasses, 1)
				if net, err = graph.NewShape(config.Model, config.Data.ImageSize); err != nil {
					return err
				}
			}
			counts, err := graph.Count(net, size, size)
			if err != nil {
				return err
			}
			s := summarise(args[0], counts, size, folded)
			if wantsJSON() {
				return printJSON(s)
			}
			return s.print()
		},
	}
	c.Flags().IntVar(&size, "size", 0, "side of the image in pixels (data.image_size)")
	c.Flags().BoolVar(&folded, "folded", false, "show the layers with batch norms folded into the convolutions")
	c.Flags().
		StringArrayVar(&settings, "set", nil, "change a setting of a preset or a YAML file, `key=value`; repeatable")
	takesModel(c)
	return c
}

// pretrainingSummary shows the layers of a LocalMIM.
func pretrainingSummary(name string, c *configs.Config, size int) error {
	if size != c.Data.ImageSize {
		return usageError{fmt.Errorf("--size: the masks and targets of a pre-training are for images of %d pixels: "+
			"set data.image_size instead",
			c.Data.ImageSize)}
	}
	net, err := localmim.New(c, c.Seed)
	if err != nil {
		return err
	}
	counts, err := net.Count()
	if err != nil {
		return err
	}
	s := summarise(name, counts, size, false)
	if wantsJSON() {
		return printJSON(s)
	}
	return s.print()
}

// summary is the output of the command.
type summary struct {
	Model       string         `json:"model"`
	Size        int            `json:"size"`
	Folded      bool           `json:"folded"` // of the layers
	Layers      []summaryLayer `json:"layers"`
	Total       summaryTotal   `json:"total"`
	TotalFolded summaryTotal   `json:"total_folded"`
}

type summaryLayer struct {
	Name  string `json:"name"`
	Shape [3]int `json:"shape"` // output: channels, height, width
	summaryTotal
}

type summaryTotal struct {
	Parameters           int `json:"parameters"`
	MACs                 int `json:"macs"`
	MACsWithNorms        int `json:"macs_with_norms"`
	AttentionMACs        int `json:"attention_macs"` // not in MACs
	Activations          int `json:"activations"`
	AttentionActivations int `json:"attention_activations"` // not in Activations
}

func summarise(name string, counts []graph.LayerCount, size int, folded bool) summary {
	figures := func(c graph.LayerCount) summaryTotal {
		return summaryTotal{
			c.Parameters, c.MACs, c.MACsWithNorm(), c.AttentionMACs, c.Activations, c.AttentionActivations,
		}
	}
	total := graph.Total(counts)
	s := summary{Model: name, Size: size, Folded: folded, Total: figures(total), TotalFolded: figures(total.Folded())}
	for _, c := range counts {
		if folded {
			c = c.Folded()
		}
		s.Layers = append(s.Layers, summaryLayer{c.Name, [3]int{c.Channels, c.Height, c.Width}, figures(c)})
	}
	return s
}

func (s summary) print() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	printable.Fprintf(w, "layer\toutput (C×H×W)\tparameters\tMMACs\tincl. norms\tactivations\t\n")
	for _, l := range s.Layers {
		printable.Fprintf(w, "%s\t%d×%d×%d\t%d\t%.3f\t%.3f\t%d\t\n", l.Name, l.Shape[0], l.Shape[1], l.Shape[2],
			l.Parameters, float64(l.MACs)/1e6, float64(l.MACsWithNorms)/1e6, l.Activations)
	}
	printable.Fprintf(w, "\n%d px\t\tparameters\tMACs\tincl. norms\tactivations\t\n", s.Size)
	row := func(name string, t summaryTotal) {
		printable.Fprintf(w, "%s\t\t%d\t%d\t%d\t%d\t\n", name, t.Parameters, t.MACs, t.MACsWithNorms, t.Activations)
	}
	if s.Total == s.TotalFolded { // it has no batch norms
		row("total", s.Total)
	} else {
		row("as trained", s.Total)
		row("batch norms folded", s.TotalFolded)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if t := s.Total; t.AttentionMACs > 0 {
		macs, activations := t.MACs+t.AttentionMACs, t.Activations+t.AttentionActivations
		if _, err := printable.Printf("\nMACs incl. attention: %d (%.3f G); activations: %d (%.2f M)\n",
			macs, millions(macs)/1e3, activations, millions(activations)); err != nil {
			return err
		}
	}
	_, err := printable.Printf("\n%.2f M parameters, %.2f M folded; %.3f GMACs, %.3f incl. "+
		"norms, %.3f folded; %.2f M activations\n",
		millions(s.Total.Parameters), millions(s.TotalFolded.Parameters), millions(s.Total.MACs)/1e3,
		millions(s.Total.MACsWithNorms)/1e3, millions(s.TotalFolded.MACsWithNorms)/1e3, millions(s.Total.Activations))
	return err
}

func millions(n int) float64 { return float64(n) / 1e6 }
