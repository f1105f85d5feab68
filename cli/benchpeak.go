package cli

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"fasternet/internal/bench"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

func benchPeakCommand() *cobra.Command {
	o := bench.NewPeakOptions()
	c := &cobra.Command{
		Use:   "peak",
		Short: "Measure the peak speed of the processor and the memory",
		Long: `Measure the peak speed of the processor, on one thread and on all threads: multiply-adds in
registers in fp32, bf16 and int8, with each of its instruction sets, and the bandwidth of the
memory. It takes a few seconds. The table shows the median and the best of 15 rounds. On a
busy machine the median is lower.

A multiplication and an addition count as one operation each. Read, copy and triad
(a = b + s·c) use arrays of four times the size of the last cache; the bytes are what the loops
read and write. Models of "export --int8" compute in int8.`,
		Example: `  fasternet-train bench peak
  fasternet-train bench peak --threads 1 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Threads < 0 {
				return usageError{fmt.Errorf("--threads: want 0 or more, got %d", o.Threads)}
			}
			t, err := bench.RunPeak(cmd.Context(), o)
			if err != nil {
				return err
			}
			if wantsJSON() {
				return printJSON(t)
			}
			return printPeak(t)
		},
	}
	c.Flags().IntVar(&o.Threads, "threads", 0, "threads of the second column; 0 for one per processor")
	return c
}

func printPeak(t bench.PeakTable) error {
	printable.Printf("%s\n%s kernels in use; %s\n\n", t.Processor, t.Kernels, printable.Count(t.Rounds, "round"))
	return printPeakTable(os.Stdout, t)
}

// printPeakTable prints the rows, the arrays, and what could not be measured.
func printPeakTable(out io.Writer, t bench.PeakTable) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	printable.Fprintf(w, "format\tpath\t1 thread\tbest\t")
	if t.Threads > 1 { // otherwise both columns would be equal
		printable.Fprintf(w, "%d threads\tbest\t", t.Threads)
	}
	printable.Fprintf(w, "unit\t\n")
	for _, r := range append(t.Products, t.Memory...) {
		if r.Missing != "" {
			continue
		}
		printable.Fprintf(w, "%s\t%s\t%.1f\t%.1f\t", r.Format, r.Path, r.One.Median, r.One.Best)
		if t.Threads > 1 {
			printable.Fprintf(w, "%.1f\t%.1f\t", r.All.Median, r.All.Best)
		}
		printable.Fprintf(w, "%s\t\n", r.Unit)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	cache := "the size of the last cache is unknown"
	if t.CacheMiB > 0 {
		cache = fmt.Sprintf("the last cache has %.0f MiB", t.CacheMiB)
	}
	printable.Fprintf(out, "\nread, copy and triad: arrays of %.0f MiB; %s\n", t.ArrayMiB, cache)
	for _, r := range t.Products {
		if r.Missing != "" {
			printable.Fprintf(out, "no %s with %s: %s\n", r.Format, r.Path, r.Missing)
		}
	}
	return nil
}
