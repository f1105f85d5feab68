package main

import (
	"fmt"

	"fasternet/bench"
	"fasternet/configs"

	"github.com/spf13/cobra"
)

func benchCommand() *cobra.Command {
	var o bench.Options
	var infer, asJSON bool
	var settings []string
	c := &cobra.Command{
		Use:   "bench MODEL",
		Short: "Time training steps or inference on synthetic images",
		Long: `Time the steps of training (forward, backward, AdamW) or inference of a model on
synthetic images. MODEL is a preset or a YAML file.`,
		Example: `  fasternet-train bench fasternet_t0 --train --batch 32 --threads 2
  fasternet-train bench fasternet_t0 --infer --batch 1 --threads 1 --json
  fasternet-train bench fasternet_t0 --train --profile`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := configs.Load(args[0], settings...)
			if err != nil {
				return usageError{err}
			}
			if o.Batch < 1 || o.Threads < 0 || o.Warmup < 0 || o.Seconds < 0 || o.Size < 0 {
				return usageError{fmt.Errorf("--batch: want 1 or more; --threads, --warmup, --seconds and --size: 0 or more")}
			}
			r, err := bench.Run(cmd.Context(), args[0], config, o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(r)
			}
			for _, e := range r.Profile {
				fmt.Printf("%-24s %-20s %9.3f ms\n", e.Op, e.Name, e.MS)
			}
			_, err = fmt.Printf("%s %s, %d×%d px, batch %d, %d threads, %s kernels, %s\n"+
				"%.1f img/s; %.2f ms a batch (median of %d; p10 %.2f, p90 %.2f, best %.2f)\n"+
				"%.0f GFLOPS (%.3f GMACs an image forward); peak memory %.0f MiB, of it activations %.0f MiB\n",
				r.Model, r.Mode, r.Size, r.Size, r.Batch, r.Threads, r.Kernels, r.Precision,
				r.ImgPerS, r.MedianMS, r.Runs, r.P10MS, r.P90MS, r.BestMS, r.GFLOPS, r.GMACs, r.PeakRSSMiB, r.ArenaMiB)
			return err
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Train, "train", false, "time training steps")
	f.BoolVar(&infer, "infer", false, "time inference (the default)")
	f.IntVar(&o.Batch, "batch", 32, "images at a time")
	f.IntVar(&o.Threads, "threads", 0, "threads; 0 for one a processor")
	f.IntVar(&o.Size, "size", 0, "side of the images in pixels (data.image_size)")
	f.IntVar(&o.Warmup, "warmup", 3, "runs before the timing")
	f.Float64Var(&o.Seconds, "seconds", 8, "how long to time, at least five runs")
	f.BoolVar(&o.Profile, "profile", false, "show the time of every operation")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	f.StringArrayVar(&settings, "set", nil, "change a setting, `key=value`; repeatable")
	c.MarkFlagsMutuallyExclusive("train", "infer")
	return c
}
