package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"fasternet/internal/bench"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

func benchThreadsCommand() *cobra.Command {
	o := bench.NewThreadOptions()
	var infer bool
	var worst int
	var settings []string
	c := &cobra.Command{
		Use:   "threads MODEL",
		Short: "Time a model on 1, 2, … threads, and predict the time for more",
		Long: `Time training steps or inference of a model with each number of threads up to the number of the
processors, and predict the time for larger numbers. ` + modelHelp + `

How it predicts: the program splits the work as for that many threads, and one thread does all
of it. This gives the time of every task in every parallel region, and of the code between the
regions. Then the tasks are assigned as the threads would take them: each thread begins with
its own range, and helps the others when it is done. The cost of beginning and ending a region
("barrier") and the code of a single thread ("serial") are added.

What it assumes: a task takes as long on a machine with more processors as on this one; each
further thread adds to a barrier as much as a thread adds here; and memory limits more threads
no more than one. The bandwidth of a larger machine is unknown: the column GB/s says what it
needs at least, and --bandwidth sets a limit. The estimate of memory traffic counts everything
that an operation reads and writes once, and assumes that recently used data is in the cache.

The columns after the speed-up show where time is lost, in milliseconds of the predicted time:
  few      regions with fewer tasks than threads
  uneven   tasks that do not divide evenly among the threads; mostly long ones
  serial   code outside of regions
  barrier  beginning and ending regions
  memory   waiting for memory
  small    work split into smaller pieces takes longer in total
A second table lists the regions that lose the most with the largest number of threads.
Operations of the same kind share a line.`,
		Example: `  fasternet-train bench threads fasternet_t0 --train --batch 32
  fasternet-train bench threads vit_base --batch 1 --predict 4,8 --json
  fasternet-train bench threads fasternet_s --batch 1 --threads 1,2 --predict 16 --bandwidth 80`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := benchOptions(&o.Options); err != nil {
				return err
			}
			if worst < 0 {
				return usageError{fmt.Errorf("--worst: want 0 or more, got %d", worst)}
			}
			config, net, err := modelArgument(args[0], settings)
			if err != nil {
				return err
			}
			o.Model = net
			t, err := bench.RunThreads(cmd.Context(), args[0], config, o)
			if wrong := new(bench.ThreadsError); errors.As(err, &wrong) {
				return usageError{fmt.Errorf("--%s: %w", wrong.Flag, err)}
			}
			if err != nil {
				return err
			}
			if wantsJSON() {
				return printJSON(t)
			}
			return printThreads(t, worst)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Train, "train", false, "time training steps")
	f.BoolVar(&infer, "infer", false, "time inference (the default)")
	f.IntVar(&o.Batch, "batch", 32, "images per batch")
	f.IntSliceVar(&o.Measure, "threads", nil,
		"numbers of threads to time, separated by commas (1, 2, 4, … and all processors)")
	f.IntSliceVar(&o.Predict, "predict", o.Predict, "numbers of threads to predict, separated by commas")
	f.Float64Var(&o.Bandwidth, "bandwidth", 0,
		"`GB/s` of memory bandwidth of a machine with more threads; 0 if unknown")
	f.IntVar(&worst, "worst", 12, "how many regions to list, those that lose the most")
	f.IntVar(&o.Size, "size", 0, "side of the images in pixels (data.image_size)")
	f.IntVar(&o.Warmup, "warmup", 2, "runs before the timing")
	f.Float64Var(
		&o.Seconds,
		"seconds",
		8,
		"seconds to time all numbers of threads; a quarter of it for each way of splitting the work; "+
			"at least five and three runs",
	)
	f.StringVar(&o.Precision, "precision", "",
		"`format` of matrix products: fp32, bf16 or auto (the setting precision)")
	f.StringArrayVar(&settings, "set", nil, "change a setting of a preset or a YAML file, `key=value`; repeatable")
	c.MarkFlagsMutuallyExclusive("train", "infer")
	new(profiles).around(c)
	takesModel(c)
	return c
}

func printThreads(t bench.ThreadTable, worst int) error {
	if t.BF16Path != "" {
		t.Precision += " (" + t.BF16Path + ")"
	}
	printable.Printf("%s %s, %d×%d px, batch %d, %s kernels, %s; %s, %s\n\n",
		t.Model, t.Mode, t.Size, t.Size, t.Batch, t.Kernels, t.Precision, t.Processor,
		printable.Count(t.Processors, "processor"))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	printable.Fprintf(w, "threads\tmeasured ms\tpredicted ms\timg/s\tspeed-up\tper "+
		"thread\tfew\tuneven\tserial\tbarrier\tmemory\tsmall\tGB/s\tregions\ttasks\tlost most to\t\n")
	for _, r := range t.Rows {
		measured := ""
		if r.MeasuredMS > 0 {
			measured = fmt.Sprintf("%.3f", r.MeasuredMS)
		}
		printable.Fprintf(w, "%d\t%s\t%.3f\t%.1f\t%.2f\t%.0f "+
			"%%\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.1f\t%d\t%d\t%s\t\n",
			r.Threads, measured, r.PredictedMS, r.ImgPerS, r.SpeedUp, 100*r.Efficiency,
			r.FewMS, r.UnevenMS, r.SerialMS, r.BarrierMS, r.MemoryMS, r.SmallMS,
			r.NeedsGBps, r.Regions, r.Tasks, r.Limit)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	last := t.Rows[len(t.Rows)-1]
	if worst = min(worst, len(t.Lost)); worst > 0 {
		printable.Printf("\nwhere %d threads lose the most time, of %.3f ms:\n\n", last.Threads, last.PredictedMS)
		printable.Fprintf(w, "operation\tpass\tname\tregion\ttasks\tlongest ms\tone thread, ms\tall, ms\tlost ms\t\n")
		for _, l := range t.Lost[:worst] {
			name, region, tasks, longest := l.Name, "outside", "", ""
			if l.Ops > 1 {
				name = fmt.Sprintf("%s and %d more", l.Name, l.Ops-1)
			}
			if l.Region > 0 {
				region = fmt.Sprintf("%d of %d", l.Region, l.Of)
				tasks = fmt.Sprint(l.Tasks)
				longest = fmt.Sprintf("%.3f", l.LongestMS)
			}
			printable.Fprintf(
				w,
				"%s\t%s\t%s\t%s\t%s\t%s\t%.3f\t%.3f\t%.3f\t\n",
				l.Op,
				l.Pass,
				name,
				region,
				tasks,
				longest,
				l.WorkMS,
				l.TakesMS,
				l.LostMS,
			)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return printThreadNotes(t)
}

// printThreadNotes says what the predictions are based on.
func printThreadNotes(t bench.ThreadTable) error {
	var costs []string
	for i, us := range t.BarrierUS {
		costs = append(costs, fmt.Sprintf("%.1f µs with %d", us, i+1))
	}
	memory := "memory bandwidth was not measured: there is no room for the arrays"
	if len(t.MemoryGBps) == 2 {
		memory = fmt.Sprintf("memory: %.1f GB/s with one thread, %.1f with %d",
			t.MemoryGBps[0], t.MemoryGBps[1], t.Processors)
	}
	if t.GivenGBps > 0 {
		memory += fmt.Sprintf("; %.1f GB/s given for more", t.GivenGBps)
	} else {
		memory += "; unknown for more (--bandwidth)"
	}
	_, err := printable.Printf("\npredictions: medians of at least %d runs on one thread\nbarrier: %s\n"+
		"%s; last cache %.0f MiB\n",
		t.Runs, strings.Join(costs, ", "), memory, t.CacheMiB)
	return err
}
