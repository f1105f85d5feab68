package cli

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/collective"
	"fasternet/configs"
	"fasternet/internal/bench"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

// The protocols of bench.
const (
	throughput = "throughput"
	paper      = "paper"
)

func benchCommand() *cobra.Command {
	var o bench.Options
	var infer, serial bool
	var r ranks
	var profiles profiles
	var protocol string
	var settings []string
	c := &cobra.Command{
		Use:   "bench MODEL",
		Short: "Time training steps or inference on synthetic images",
		Long: `Time the steps of training (forward, backward, AdamW) or inference of a model on
synthetic images. ` + modelHelp + `

With --protocol paper it is timed as the authors of FasterNet did on CPUs: batch 1,
one thread, 10 runs to warm up, 200 that are timed. Their figure is the mean.

Under mpirun every rank has a batch of its own, and the gradients are summed as in a run:
the time of a step, what of it is communication, and how much of that the backward pass
hides. "bench sums" times the sums alone.

With --profile the time is divided into operations and their parts: each product and
convolution with its sizes, batch norms, activations, copies, packing, and so on. The time of
a part is summed over all threads and divided by their number, so that the parts of an
operation add up to it. GFLOPS count all threads that work on the part. The peak is what
"bench peak" measures for the precision, before and after. The time of each part is
the median over the runs, which other work on the machine changes little. Idle time
is a part too: "waiting" within a parallel region, for its beginning and
for its longest task, and "waiting for one" while one thread works alone.

"bench pconv" times the operators of table 1 of the paper instead of a model, "bench
data" how fast the images come to it; "bench peak" measures what the processor can do,
"bench threads" how the time of a model depends on the number of threads, and "bench report"
prints the figures of this machine with all that is needed to compare them.`,
		Example: `  fasternet-train bench fasternet_t0 --train --batch 32 --threads 2
  fasternet-train bench fasternet_t0 --protocol paper --json
  fasternet-train bench fasternet_t0 --batch 1 --threads 1 --iterations 100
  fasternet-train bench fasternet_t0 --train --profile
  fasternet-train bench fasternet_t0 --train --cpuprofile cpu.pprof --memprofile memory.pprof
  fasternet-train bench vit_base --train --batch 8 --precision bf16
  fasternet-train bench vit_base --train --batch 32 --set train.grad_checkpointing=true
  fasternet-train bench pconv
  fasternet-train bench peak
  fasternet-train bench threads fasternet_t0 --train
  fasternet-train bench report
  mpirun -n 4 fasternet-train bench vit_base --train --batch 8 --seconds 30 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := benchProtocol(cmd, &o, protocol); err != nil {
				return err
			}
			if err := r.open(); err != nil {
				return err
			}
			defer r.fall()
			defer func() { err = r.leave(err) }()
			config, net, err := modelArgument(args[0], settings)
			if err := collective.Agree(r, err); err != nil {
				return err
			}
			stop, err := profiles.start(&r)
			if err != nil {
				return err
			}
			defer stop(&err)
			o.Model = net
			if r.Size() > 1 {
				return benchRanks(cmd, &r, args[0], config, o, !serial)
			}
			result, err := bench.Run(cmd.Context(), args[0], config, o)
			if err != nil {
				return err
			}
			if wantsJSON() {
				return printJSON(result)
			}
			return printBench(result)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Train, "train", false, "time training steps")
	f.BoolVar(&infer, "infer", false, "time inference (the default)")
	f.StringVar(&protocol, "protocol", throughput, "throughput, or paper: latency as the authors measured")
	f.IntVar(&o.Batch, "batch", 32, "images at a time")
	f.IntVar(&o.Threads, "threads", 0, "threads; 0 for one a processor")
	f.IntVar(&o.Size, "size", 0, "side of the images in pixels (data.image_size)")
	f.IntVar(&o.Warmup, "warmup", 3, "runs before the timing")
	f.IntVar(&o.Iterations, "iterations", 0, "runs to time; 0 for as many as --seconds allow")
	f.Float64Var(&o.Seconds, "seconds", 8, "how long to time, at least five runs")
	f.StringVar(&o.Precision, "precision", "", "`format` of the factors of matrix products: fp32, bf16 or auto (the setting precision)")
	f.BoolVar(&o.Profile, "profile", false, "show the time of every operation, and of its parts")
	f.BoolVar(&serial, "no-overlap", false, "under mpirun: sum the gradients after the backward pass, to compare")
	f.StringArrayVar(&settings, "set", nil, "change a setting of a preset or a YAML file, `key=value`; repeatable")
	c.MarkFlagsMutuallyExclusive("train", "infer")
	c.MarkFlagsMutuallyExclusive("iterations", "seconds")
	c.AddCommand(benchPConvCommand(), benchPeakCommand(), benchReportCommand(), benchThreadsCommand(), benchDataCommand(), benchSumsCommand(), benchServeCommand())
	profiles.register(c)
	r.register(c)
	takesModel(c)
	return c
}

// benchProtocol checks the options and applies the protocol.
func benchProtocol(cmd *cobra.Command, o *bench.Options, protocol string) error {
	if err := benchOptions(o); err != nil {
		return err
	}
	switch protocol {
	case throughput:
	case paper:
		for _, flag := range []string{"train", "batch", "threads", "warmup", "iterations", "seconds"} {
			if cmd.Flags().Changed(flag) {
				return usageError{fmt.Errorf("--protocol paper is inference of batch 1 on 1 thread, 10 runs to warm up and 200 that are timed: leave --%s out", flag)}
			}
		}
		o.Paper()
	default:
		return usageError{fmt.Errorf("--protocol: want throughput or paper, got %q", protocol)}
	}
	return nil
}

// benchOptions finds numbers out of range.
func benchOptions(o *bench.Options) error {
	for _, n := range []struct {
		flag  string
		least int
		value int
	}{{"batch", 1, o.Batch}, {"threads", 0, o.Threads}, {"warmup", 0, o.Warmup}, {"iterations", 0, o.Iterations}, {"size", 0, o.Size}} {
		if n.value < n.least {
			return usageError{fmt.Errorf("--%s: want %d or more, got %d", n.flag, n.least, n.value)}
		}
	}
	if !(o.Seconds >= 0) {
		return usageError{fmt.Errorf("--seconds: want 0 or more, got %v", o.Seconds)}
	}
	if o.Precision != "" {
		return checkPrecision(o.Precision)
	}
	return nil
}

// checkPrecision finds a name that is none. Whether this machine has it is found later.
func checkPrecision(name string) error {
	if !slices.Contains(configs.Precisions, name) {
		return usageError{fmt.Errorf("--precision: want %s, got %q", strings.Join(configs.Precisions, ", "), name)}
	}
	return nil
}

func printBench(r bench.Result) error {
	if r.Sums != nil {
		if err := printProfile(r); err != nil {
			return err
		}
	}
	form := ""
	if r.BNFolded {
		form = ", batch norms folded"
	}
	if r.Recomputed {
		form = ", blocks computed again in the backward pass"
	}
	if r.BF16Path != "" {
		r.Precision += " (" + r.BF16Path + ")"
	}
	_, err := printable.Printf("%s %s, %d×%d px, batch %d, %d threads, %s kernels, %s%s\n"+
		"%.1f img/s; %.2f ms a batch (median of %d; mean %.2f, p10 %.2f, p90 %.2f, best %.2f)\n"+
		"%.0f GFLOPS, 2 a MAC (%.3f GMACs an image forward); peak memory %.0f MiB, of it activations %.0f MiB\n",
		r.Model, r.Mode, r.Size, r.Size, r.Batch, r.Threads, r.Kernels, r.Precision, form,
		r.ImgPerS, r.MedianMS, r.Runs, r.MeanMS, r.P10MS, r.P90MS, r.BestMS, r.GFLOPS, r.GMACs, r.PeakRSSMiB, r.ArenaMiB)
	return err
}
