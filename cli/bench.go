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

// Protocols of bench.
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
	var dry dryRun
	c := &cobra.Command{
		Use:   "bench MODEL",
		Short: "Time training steps or inference on synthetic images",
		Long: `Time the steps of training (forward, backward, AdamW) or inference of a model on
synthetic images. ` + modelHelp + `

--protocol paper times as the authors of FasterNet did on CPUs: batch 1, one thread,
10 runs to warm up, 200 timed runs. Their figure is the mean.

Under mpirun every rank has its own batch, and the gradients are summed as in a run. The
output is the time of a step, the part of it for communication, and how much of that the
backward pass hides. "bench sums" times only the sums.

--profile divides the time into operations and their parts: each product and convolution
with its sizes, batch norms, activations, copies, packing, and so on. The time of a part is
summed over all threads and divided by their number, so the parts of an operation add up.
GFLOPS count all threads that work on the part. The peak comes from "bench peak" for the
precision, measured before and after. The time of each part is the median over the runs, so
other work on the machine changes it little. Idle time is also a part: "waiting" in a parallel
region, for its beginning and its longest task, and "waiting for one" while a single thread
works.

The other commands: "bench pconv" times the operators of table 1 of the paper, "bench data"
the loading of images, "bench peak" the processor and the memory, and "bench threads" a model
on several numbers of threads. "bench report" prints the figures of this machine with
everything that is needed to compare them.`,
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
			if dry.asked {
				what := "inference"
				if o.Train {
					what = "training"
				}
				return r.only(func() error {
					return dry.say(fmt.Sprintf("time %s of %s in batches of %d", what, args[0], o.Batch))
				})
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
	f.IntVar(&o.Batch, "batch", 32, "images per batch")
	f.IntVar(&o.Threads, "threads", 0, "threads; 0 for one per processor")
	f.IntVar(&o.Size, "size", 0, "side of the images in pixels (data.image_size)")
	f.IntVar(&o.Warmup, "warmup", 3, "runs before the timing")
	f.IntVar(&o.Iterations, "iterations", 0, "runs to time; 0 for as many as --seconds allow")
	f.Float64Var(&o.Seconds, "seconds", 8, "seconds to time, at least five runs")
	f.StringVar(&o.Precision, "precision", "",
		"`format` of matrix products: fp32, bf16 or auto (the setting precision)")
	f.BoolVar(&o.Profile, "profile", false, "show the time of every operation, and of its parts")
	f.BoolVar(&serial, "no-overlap", false, "under mpirun: sum gradients after the backward pass, for comparison")
	f.StringArrayVar(&settings, "set", nil, "change a setting of a preset or a YAML file, `key=value`; repeatable")
	c.MarkFlagsMutuallyExclusive("train", "infer")
	c.MarkFlagsMutuallyExclusive("iterations", "seconds")
	c.AddCommand(
		benchPConvCommand(),
		benchPeakCommand(),
		benchReportCommand(),
		benchThreadsCommand(),
		benchDataCommand(),
		benchSumsCommand(),
		benchServeCommand(),
	)
	profiles.register(c)
	r.register(c)
	dry.register(c)
	takesModel(c)
	return c
}

// benchProtocol checks the options of a protocol and applies it.
func benchProtocol(cmd *cobra.Command, o *bench.Options, protocol string) error {
	if err := benchOptions(o); err != nil {
		return err
	}
	switch protocol {
	case throughput:
	case paper:
		for _, flag := range []string{"train", "batch", "threads", "warmup", "iterations", "seconds"} {
			if cmd.Flags().Changed(flag) {
				return usageError{fmt.Errorf("--protocol paper sets batch 1, 1 thread, "+
					"10 runs to warm up and 200 timed runs: "+
					"leave out --%s",
					flag)}
			}
		}
		o.Paper()
	default:
		return usageError{fmt.Errorf("--protocol: want throughput or paper, got %q", protocol)}
	}
	return nil
}

// benchOptions checks the ranges of numbers.
func benchOptions(o *bench.Options) error {
	for _, n := range []struct {
		flag  string
		least int
		value int
	}{
		{"batch", 1, o.Batch},
		{"threads", 0, o.Threads},
		{"warmup", 0, o.Warmup},
		{"iterations", 0, o.Iterations},
		{"size", 0, o.Size},
	} {
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

// checkPrecision refuses unknown names. Whether this machine has the precision is checked later.
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
		form = ", blocks recomputed in the backward pass"
	}
	if r.BF16Path != "" {
		r.Precision += " (" + r.BF16Path + ")"
	}
	_, err := printable.Printf("%s %s, %d×%d px, batch %d, %s, %s kernels, %s%s\n"+
		"%.1f img/s; %.2f ms per batch (median of %d; mean %.2f, p10 %.2f, p90 %.2f, best %.2f)\n"+
		"%.0f GFLOPS, 2 per MAC (%.3f GMACs per image, forward); peak memory %.0f MiB, of which activations %.0f MiB\n",
		r.Model, r.Mode, r.Size, r.Size, r.Batch, printable.Count(r.Threads, "thread"), r.Kernels, r.Precision, form,
		r.ImgPerS, r.MedianMS, r.Runs, r.MeanMS, r.P10MS, r.P90MS, r.BestMS,
		r.GFLOPS, r.GMACs, r.PeakRSSMiB, r.ArenaMiB)
	return err
}
