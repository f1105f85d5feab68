package cli

import (
	"fmt"

	"fasternet/internal/bench"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

func benchDataCommand() *cobra.Command {
	var f datasetFlags
	var precision string
	o := bench.FeedOptions{}
	c := &cobra.Command{
		Use:   "data CONFIG",
		Short: "Time how fast a data set can be loaded for a model",
		Long: `Measure the processor time of each stage from a file to a tensor. Then time training steps in
turns on the data set and on one batch in memory: the difference is the cost of the data. The
steps are as in a run, with the precision, teacher and frozen layers of CONFIG.
` + datasetHelp,
		Example: `  fasternet-train bench data fasternet_t0 --data /data/imagenet
  fasternet-train bench data fasternet_t0 --data packed --set data.name=packed --json
  fasternet-train bench data my.yaml --rounds 0`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.Images < 0 || o.Rounds < 0:
				return usageError{fmt.Errorf("--images and --rounds: want 0 or more, got %d and %d",
					o.Images, o.Rounds)}
			case !(o.Seconds > 0):
				return usageError{fmt.Errorf("--seconds: want a number above 0, got %v", o.Seconds)}
			}
			config, err := f.config(args[0])
			if err != nil {
				return err
			}
			show := display()
			o.Notice = func(text string) { show.Line("%s", text) }
			if precision != "" {
				if err := checkPrecision(precision); err != nil {
					return err
				}
				config = config.In(precision)
			}
			r, err := bench.MeasureFeed(cmd.Context(), config, o)
			if err != nil {
				return err
			}
			if wantsJSON() {
				return printJSON(r)
			}
			return printFeed(r)
		},
	}
	f.register(c)
	_ = c.Flags().MarkHidden("split")
	c.Flags().IntVar(&o.Images, "images", 500, "images to time stage by stage; 0 for none")
	c.Flags().IntVar(&o.Rounds, "rounds", 5, "rounds of training steps; 0 for none")
	c.Flags().Float64Var(&o.Seconds, "seconds", 4, "seconds for each half of a round")
	c.Flags().StringVar(&precision, "precision", "",
		"`format` of matrix products in training: fp32, bf16 or auto (the setting precision)")
	new(profiles).around(c)
	return c
}

func printFeed(r bench.Feed) error {
	if r.Images > 0 {
		printable.Printf("%d images of %s, %.0f KiB each, to %d×%d px; processor time:\n",
			r.Images, r.Dataset, r.KiBAnImage, r.Size, r.Size)
		for _, s := range []struct {
			name string
			ms   float64
		}{
			{"read", r.Read},
			{"decode", r.Decode},
			{"crop and resize", r.Resize},
			{"augment", r.Augment},
			{"normalise", r.Normalise},
			{"all", r.All},
		} {
			speed := "-"
			if s.ms > 1e-3 {
				speed = fmt.Sprintf("%.0f img/s", 1000/s.ms)
			}
			if _, err := printable.Printf("  %-16s %7.3f ms  %14s\n", s.name, s.ms, speed); err != nil {
				return err
			}
		}
	}
	if r.Rounds > 0 {
		if r.BF16Path != "" {
			r.Precision += " (" + r.BF16Path + ")"
		}
		_, err := printable.Printf("training in %s: %.1f img/s from memory, %.1f img/s from the data set, "+
			"%.1f %% less (median of %s); waiting for data %.1f %% of the time\n",
			r.Precision, r.Memory, r.Fed, r.Loss, printable.Count(r.Rounds, "round"), r.Waiting)
		return err
	}
	return nil
}
