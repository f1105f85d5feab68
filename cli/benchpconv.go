package cli

import (
	"fmt"

	"fasternet/internal/bench"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

func benchPConvCommand() *cobra.Command {
	var o bench.OperatorOptions
	var operators string
	c := &cobra.Command{
		Use:   "pconv",
		Short: "Time partial convolution against its alternatives",
		Long: `Time ten stacked layers of a 3×3 convolution – dense (conv), in 16 groups (gconv),
depthwise (dwconv), and partial on a quarter of the channels (pconv) – on the maps
of table 1 of the FasterNet paper: latency at batch 1 on one thread, and throughput.

Layers are as in a network: NHWC maps, and each layer with its own weights. A partial
convolution writes into the first channels of its map. FLOPs are counted as in the paper:
one for a multiply-add. Memory is the number of values, of maps and weights, that the
layers read and write. The last lines compare the FLOPS of PConv with the other operators,
as the ratio of the means over the maps. The whole table takes a minute or two.`,
		Example: `  fasternet-train bench pconv
  fasternet-train bench pconv --operators dwconv,pconv --iterations 1000
  fasternet-train bench pconv --batch 32 --threads 2 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Operators, err = bench.ParseOperators(operators); err != nil {
				return usageError{fmt.Errorf("--operators: %w", err)}
			}
			if o.Batch < 1 || o.Iterations < 1 || o.Warmup < 0 || o.Threads < 0 {
				return usageError{fmt.Errorf("--batch and --iterations: want 1 or more; " +
					"--warmup and --threads: 0 or more")}
			}
			show := func(r bench.OperatorTiming) {
				printable.Printf("%-9s%-9s%9.2f%9.2f%11.3f%9.3f%9.3f%8.1f%11.1f%8.1f\n",
					r.Operator, r.Map, r.MFLOPs, r.MValues,
					r.LatencyMS, r.P10MS, r.P90MS, r.LatencyGFLOPS,
					r.ImgPerS, r.GFLOPS)
			}
			if wantsJSON() {
				show = nil
			} else {
				printable.Printf("%37s%s%13s%s\n", "", "batch 1, 1 thread", "", "throughput")
				printable.Printf("%-9s%-9s%9s%9s%11s%9s%9s%8s%11s%8s\n",
					"operator", "map", "MFLOPs", "Mvalues", "median ms", "p10", "p90", "GFLOPS", "img/s", "GFLOPS")
			}
			t, err := bench.RunOperators(cmd.Context(), o, show)
			if err != nil {
				return err
			}
			if wantsJSON() {
				return printJSON(t)
			}
			return printOperators(t, o.Operators)
		},
	}
	f := c.Flags()
	f.StringVar(&operators, "operators", "", "some of conv, gconv, dwconv and pconv, separated by commas (all)")
	f.IntVar(&o.Batch, "batch", 32, "images per batch, for the throughput")
	f.IntVar(&o.Threads, "threads", 0, "threads for the throughput; 0 for one per processor")
	f.IntVar(&o.Warmup, "warmup", 10, "runs before the timing")
	f.IntVar(&o.Iterations, "iterations", 200, "runs to time; a tenth of them for the throughput")
	new(profiles).around(c)
	return c
}

func printOperators(t bench.OperatorTable, operators []bench.Operator) error {
	printable.Printf("\n%d layers, %s kernels; throughput at batch %d on %d threads; one FLOP is one multiply-add\n"+
		"mean GFLOPS:",
		t.Layers, t.Kernels, t.Batch, t.Threads)
	for _, o := range operators {
		m, _ := bench.MeanFLOPS(t.Rows, o)
		printable.Printf("  %s %.1f and %.1f", o, m.LatencyGFLOPS, m.GFLOPS)
	}
	for _, r := range t.Ratios {
		printable.Printf("\nFLOPS of pconv over %s: %.2f at batch 1, %.2f in throughput",
			r.Over, r.Latency, r.Throughput)
	}
	_, err := printable.Println()
	return err
}
