package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/internal/printable"
	"fasternet/report"
	"fasternet/train/sweep"

	"github.com/spf13/cobra"
)

// Files of a sweep in its folder, next to the runs.
const (
	sweepPage  = "sweep.html"
	sweepTable = "sweep.csv"
)

func sweepCommand() *cobra.Command {
	var o sweep.Options
	var dataDir string
	var dryRun bool
	c := &cobra.Command{
		Use:   "sweep SWEEP.yaml",
		Short: "Search settings: random search, a grid, or successive halving",
		Long: `Train the trials of SWEEP.yaml and compare them. The file names a configuration, and a list of
values or a range for each key to search:

  config: my.yaml              # a preset or a YAML file
  search: asha                 # random, grid or asha
  trials: 20
  settings: {train.epochs: 27} # of all trials
  space:
    optim.lr: {log_uniform: [1e-4, 1e-2]}   # also uniform, int and log_int
    optim.opt: [adamw, lamb]
  asha: {min_epochs: 1, reduction: 3}

random trains every trial to its end. asha (Li et al., 2018) compares trials after min_epochs,
and continues the best one of every reduction trials for reduction times as many epochs, again
and again up to train.epochs. It compares metric, top1 or loss (default: checkpoint.monitor), of
each trial's best checkpoint so far. --parallel trains several at once; they share the threads.

The folder of the sweep (--run; by default one named after the file in runs/) has a run for
each trial (trial-001 and so on), sweep.jsonl with the finished parts, the table sweep.csv, and
the page sweep.html with all trials. --resume continues after any interruption: finished trials
stay, and a run in progress continues from its checkpoint. You may add trials.

A trial that is invalid or diverges is listed with its error; the command fails only if all
do. The last line on standard output is a JSON object: best, trials, keys and out.`,
		Example: `  fasternet-train sweep sweep.yaml --dry-run
  fasternet-train sweep sweep.yaml --data /data/flowers --parallel 2
  fasternet-train sweep sweep.yaml --resume`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Parallel < 0 || cmd.Flags().Changed("parallel") && o.Parallel == 0 {
				return usageError{fmt.Errorf("--parallel: want 1 or more, got %d", o.Parallel)}
			}
			if o.Threads < 0 {
				return usageError{fmt.Errorf("--threads: want 0 or more, got %d", o.Threads)}
			}
			if dataDir != "" {
				o.Settings = append(o.Settings, "data.dir="+quoted(dataDir))
			}
			plan, err := sweep.Read(args[0])
			if err != nil {
				return usageError{err}
			}
			if o.Dir == "" {
				o.Dir = filepath.Join(configs.Default().RunDir, strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(
					args[0],
				)))
			}
			o.Procs = func() int { return runtime.GOMAXPROCS(0) }
			preview, err := sweep.Preview(plan, o)
			if err != nil {
				return usageError{err}
			}
			if dryRun {
				return printSweep(preview, true, "")
			}
			careful.Store(true)
			show := display()
			o.Log, o.Program = messages(), version+revision()
			o.Say = func(line string) { show.Line("sweep: %s", line) }
			page := filepath.Join(o.Dir, sweepPage)
			o.Ended = func(out *sweep.Outcome) {
				if err := writeSweep(plan, out); err != nil {
					show.Line("warning: no report: %v", err)
				}
			}
			out, err := sweep.Run(cmd.Context(), plan, o)
			if out != nil {
				if failure := writeSweep(plan, out); failure != nil {
					show.Line("warning: no report: %v", failure)
				}
			}
			if err != nil {
				return err
			}
			return printSweep(out, false, page)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "run", "", "`folder` of the sweep")
	f.StringVar(&dataDir, "data", "", "`folder` of the data set (data.dir)")
	f.StringArrayVar(&o.Settings, "set", nil, "change a setting of all trials, `key=value`; repeatable")
	f.BoolVar(&o.Resume, "resume", false, "continue the sweep in the folder, or start it if there is none")
	f.IntVar(&o.Parallel, "parallel", 0, "trials to train at once; they share the threads (parallel in the file)")
	f.IntVar(&o.Threads, "threads", 0, "threads of all trials together; 0 for one per processor")
	f.BoolVar(&dryRun, "dry-run", false, "list the trials, and train nothing")
	return c
}

// sweepFigures returns the columns with figures of a sweep.
func sweepFigures(metric string) []string {
	if metric == "loss" {
		return []string{"loss", "top-1 (%)"}
	}
	return []string{"top-1 (%)", "loss"}
}

// figuresOf returns the figures of a trial for these columns; "" for none.
func figuresOf(t sweep.Trial, metric string) []string {
	text := func(v *float64, format string) string {
		if v == nil {
			return ""
		}
		return fmt.Sprintf(format, *v)
	}
	if metric == "loss" {
		return []string{text(t.Loss, "%.4f"), text(t.Top1, "%.2f")}
	}
	return []string{text(t.Top1, "%.2f"), text(t.Loss, "%.4f")}
}

// metricOf returns the metric of a trial; nil for none.
func metricOf(t sweep.Trial, metric string) *float64 {
	if metric == "loss" {
		return t.Loss
	}
	return t.Top1
}

// printSweep prints the trials, the best first.
func printSweep(out *sweep.Outcome, dry bool, page string) error {
	if !wantsJSON() {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		for _, name := range append(append([]string{"trial"}, out.Keys...), append([]string{"epochs"}, sweepFigures(
			out.Metric,
		)...)...) {
			printable.Fprintf(w, "%s\t", name)
		}
		printable.Fprintf(w, "state\n")
		for _, t := range out.Trials {
			state := t.State
			if t.Error != "" {
				state += ": " + t.Error
			}
			printable.Fprintf(w, "%d\t", t.Number)
			for _, v := range t.Values {
				printable.Fprintf(w, "%s\t", v.Value)
			}
			for _, v := range append([]string{strconv.Itoa(t.Epochs)}, figuresOf(t, out.Metric)...) {
				printable.Fprintf(w, "%s\t", v)
			}
			printable.Fprintf(w, "%s\n", state)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return printJSON(struct {
		*sweep.Outcome
		DryRun bool   `json:"dry_run,omitempty"`
		Report string `json:"report,omitempty"`
	}{out, dry, page})
}

// writeSweep writes the table and the page of a sweep in its current state.
func writeSweep(plan *sweep.Plan, out *sweep.Outcome) error {
	page := trialsPage(plan, out)
	page.About = fmt.Sprintf("%s: %s of %s", filepath.Base(plan.Path), searchText(plan, out), plan.Config)
	if out.Best != nil {
		page.BestText = fmt.Sprintf("Trial %d is the best (epoch %d): %s.",
			out.Best.Number, out.Best.Best, sweep.Describe(out.Best.Values))
	}
	return errors.Join(
		writeTrials(filepath.Join(out.Dir, sweepTable), out),
		report.WriteTrials(filepath.Join(out.Dir, sweepPage), page),
	)
}

// writeTrials writes the trials as CSV.
func writeTrials(path string, out *sweep.Outcome) error {
	return checkpoints.WriteAtomic(path, func(w io.Writer) error {
		table := csv.NewWriter(w)
		header := append(append([]string{"trial"}, out.Keys...), "epochs", "best_epoch", "top1", "top5", "loss",
			"state", "run", "error")
		if err := table.Write(header); err != nil {
			return err
		}
		number := func(v *float64) string {
			if v == nil {
				return ""
			}
			return strconv.FormatFloat(*v, 'g', -1, 64)
		}
		for _, t := range out.Trials {
			row := []string{strconv.Itoa(t.Number)}
			for _, v := range t.Values {
				row = append(row, v.Value)
			}
			row = append(
				row,
				strconv.Itoa(t.Epochs),
				strconv.Itoa(t.Best),
				number(t.Top1),
				number(t.Top5),
				number(t.Loss),
				t.State,
				t.Run,
				t.Error,
			)
			if err := table.Write(printable.Row(row)); err != nil {
				return err
			}
		}
		table.Flush()
		return table.Error()
	})
}

// trialsPage returns the page of a sweep's trials.
func trialsPage(plan *sweep.Plan, out *sweep.Outcome) report.TrialsPage {
	page := report.TrialsPage{
		Title: filepath.Base(out.Dir), Heading: printable.Count(plan.Trials, "trial"), Keys: out.Keys,
		MetricName: sweepFigures(out.Metric)[0], Figures: sweepFigures(out.Metric), Falls: out.Metric == "loss",
	}
	for _, t := range out.Trials {
		row := report.TrialRow{
			Name:    fmt.Sprint(t.Number),
			Epochs:  strconv.Itoa(t.Epochs),
			Figures: figuresOf(t, out.Metric),
			Metric:  metricOf(t, out.Metric),
			State:   t.State,
			Error:   t.Error,
		}
		if row.Figure = row.Figures[0]; row.Figure != "" && out.Metric != "loss" {
			row.Figure += " %"
		}
		for _, v := range t.Values {
			row.Values = append(row.Values, v.Value)
		}
		if t.Run != "" {
			row.Run = trialPage(out.Dir, t.Run)
		}
		page.Trials = append(page.Trials, row)
	}
	return page
}

// trialPage returns the link from the page of the sweep to the report of a trial, or "".
func trialPage(dir, run string) string {
	if _, err := os.Stat(filepath.Join(run, reportFile)); err != nil {
		return ""
	}
	rel, err := filepath.Rel(dir, filepath.Join(run, reportFile))
	if err != nil {
		return ""
	}
	return filepath.ToSlash(rel)
}

func searchText(plan *sweep.Plan, out *sweep.Outcome) string {
	switch plan.Search {
	case sweep.ASHA:
		var rungs []string
		for _, r := range out.Rungs {
			rungs = append(rungs, strconv.Itoa(r))
		}
		return fmt.Sprintf("successive halving of %s after %s epochs",
			printable.Count(plan.Trials, "trial"), strings.Join(rungs, ", "))
	case sweep.Grid:
		return "a grid of " + printable.Count(plan.Trials, "trial")
	case sweep.Random:
		return "random search of " + printable.Count(plan.Trials, "trial")
	}
	return plan.Search
}
