package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/model"

	"github.com/spf13/cobra"
)

func summaryCommand() *cobra.Command {
	var size int
	var settings []string
	c := &cobra.Command{
		Use:   "summary MODEL",
		Short: "Show the layers of a model, its parameters and MACs",
		Long: `Show the layers of a model with the shape of their output, their parameters and
MACs for one image. MODEL is a preset or a YAML file.

One multiply-add is one MAC. "MACs incl. norms" also counts 2 for every element
of a batch norm and 1 for every input of the pool, as the paper's table 3 does.
"MACs incl. attention" also counts the two products within attention: queries
with keys, and their weights with the values.`,
		Example: `  fasternet-train summary fasternet_t0
  fasternet-train summary fasternet_s --size 192`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			config, err := configs.Load(args[0], settings...)
			if err != nil {
				return usageError{err}
			}
			if size == 0 {
				size = config.Data.ImageSize
			}
			if err := config.Model.CheckImageSize(size); err != nil {
				return usageError{err}
			}
			net, err := model.New(config, max(config.Model.NumClasses, 1))
			if err != nil {
				return err
			}
			return printSummary(net.Count(size, size), size)
		},
	}
	c.Flags().IntVar(&size, "size", 0, "side of the image in pixels (data.image_size)")
	c.Flags().StringArrayVar(&settings, "set", nil, "change a setting, `key=value`; repeatable")
	return c
}

func printSummary(counts []graph.LayerCount, size int) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "layer\toutput (C×H×W)\tparameters\tMMACs\t")
	for _, c := range counts {
		fmt.Fprintf(w, "%s\t%d×%d×%d\t%d\t%.3f\t\n", c.Name, c.Channels, c.Height, c.Width, c.Parameters, float64(c.MACs)/1e6)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	t := graph.Total(counts)
	_, err := fmt.Printf("\nparameters                 %d\nMACs at %d px              %d (%.3f G)\nMACs incl. norms           %d (%.3f G)\n",
		t.Parameters, size, t.MACs, float64(t.MACs)/1e9, t.MACsWithNorm(), float64(t.MACsWithNorm())/1e9)
	if all := t.MACs + t.AttentionMACs; all > t.MACs && err == nil {
		_, err = fmt.Printf("MACs incl. attention       %d (%.3f G)\n", all, float64(all)/1e9)
	}
	return err
}
