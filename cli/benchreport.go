package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"fasternet/internal/bench"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

// versionedReport is a report with the program that made it.
type versionedReport struct {
	Version string `json:"version"`
	Command string `json:"command"`
	bench.Report
}

func benchReportCommand() *cobra.Command {
	o := bench.NewReportOptions()
	c := &cobra.Command{
		Use:   "report [MODEL]",
		Short: "Measure this machine and print all figures in one block of text",
		Long: `Measure this machine, and print one block of text with everything needed to compare it
with another machine: version, system, processor and its features, kernels, threads,
memory, what the processor can do at most ("bench peak"), and images a second in training and
inference of fasternet_t0, or of another preset, at a few batches. To send in figures, copy the
block as it is.

It takes about a minute and a half. Timings that would take too long on this machine are left
out, and the block says so; --seconds gives them more time. The first timing is repeated at the
end: if it is much slower then, the processor got hot, or other programs were running.
The block does not name you or the machine.`,
		Example: `  fasternet-train bench report
  fasternet-train bench report > report.txt
  fasternet-train bench report --seconds 300 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Threads < 0 {
				return usageError{fmt.Errorf("--threads: want 0 or more, got %d", o.Threads)}
			}
			if !(o.Seconds > 0) {
				return usageError{fmt.Errorf("--seconds: want more than 0, got %v", o.Seconds)}
			}
			name := "fasternet_t0"
			if len(args) > 0 {
				name = args[0]
			}
			config, err := loadConfig(name, nil)
			if err != nil {
				return err
			}
			o.Progress = func(line string) { printable.Fprintf(messages(), "bench report: %s\n", line) }
			r, err := bench.RunReport(cmd.Context(), name, config, o)
			if err != nil {
				return err
			}
			v := versionedReport{version + revision(), commandLine(cmd, args), r}
			if wantsJSON() {
				return printJSON(v)
			}
			return printReport(os.Stdout, v)
		},
	}
	c.Flags().IntVar(&o.Threads, "threads", 0, "threads; 0 for one per processor")
	c.Flags().Float64Var(&o.Seconds, "seconds", o.Seconds, "seconds for all timings of the model")
	return c
}

// commandLine returns the command as typed, with the flags first.
func commandLine(cmd *cobra.Command, args []string) string {
	words := []string{cmd.CommandPath()}
	for _, name := range []string{"threads", "seconds"} {
		if f := cmd.Flags().Lookup(name); f.Changed {
			words = append(words, "--"+name, f.Value.String())
		}
	}
	return strings.Join(append(words, args...), " ")
}

func printReport(out io.Writer, r versionedReport) error {
	const gib = 1 << 30
	line := func(key, format string, args ...any) {
		printable.Fprintf(out, "%-11s  %s\n", key, fmt.Sprintf(format, args...))
	}
	printable.Fprintf(out, "--- fasternet-train bench report ---\n")
	line("command", "%s", r.Command)
	line("date", "%s; it took %.0f s", r.Time.Format("2006-01-02 15:04 UTC"), r.Seconds)
	line("version", "%s, %s", r.Version, r.Go)
	line("system", "%s, %s", r.Platform, r.System)
	line("processor", "%s", r.Processor)
	load := ""
	if r.Load >= 0 {
		load = fmt.Sprintf("; load %.2f before", r.Load)
	}
	line("threads", "%d on %d processors%s", r.Threads, r.Processors, load)
	memory := "unknown"
	if r.Memory > 0 {
		memory = fmt.Sprintf("%.1f GiB", float64(r.Memory)/gib)
	}
	if r.Allowed > 0 {
		memory += fmt.Sprintf(", %.1f GiB allowed", float64(r.Allowed)/gib)
	}
	line("memory", "%s; the program used at most %.0f MiB", memory, r.PeakRSSMiB)
	line("kernels", "%s (available: %s); bf16: %s", r.Kernels, strings.Join(r.Available, ", "), r.BF16)
	if len(r.Environment) > 0 {
		line("environment", "%s", strings.Join(r.Environment, " "))
	}
	printable.Fprintf(out, "\n")
	if err := printPeakTable(out, r.Peak); err != nil {
		return err
	}
	printable.Fprintf(out, "\n%s\n", r.Model)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	printable.Fprintf(w, "mode\tbatch\tthreads\tprecision\timg/s\tms per batch\tp10\tp90\truns\tGFLOPS\t\n")
	var missing []string
	for _, t := range r.Timings {
		mode := t.Mode
		if t.Again {
			mode += ", again"
		}
		if t.Result == nil {
			missing = append(missing, fmt.Sprintf("no %s: %s", t, t.Missing))
			continue
		}
		v := t.Result
		printable.Fprintf(
			w,
			"%s\t%d\t%d\t%s\t%.1f\t%.2f\t%.2f\t%.2f\t%d\t%.1f\t\n",
			mode,
			t.Batch,
			t.Threads,
			t.Precision,
			v.ImgPerS,
			v.MedianMS,
			v.P10MS,
			v.P90MS,
			v.Runs,
			v.GFLOPS,
		)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, m := range missing {
		printable.Fprintf(out, "%s\n", m)
	}
	_, err := printable.Fprintf(out, "--- end of the report ---\n")
	return err
}
