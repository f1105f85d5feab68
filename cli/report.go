package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"fasternet/checkpoints"
	"fasternet/report"

	"github.com/spf13/cobra"
)

// reportFile is the page in the folder of a run.
const reportFile = "report.html"

func reportCommand() *cobra.Command {
	var out, dataDir, address string
	var fast bool
	var dry dryRun
	c := &cobra.Command{
		Use:   "report RUN...",
		Short: "Make a page about a run, or compare several",
		Long: `Make a page about a run: a summary in words, curves of accuracy, loss, learning rate, gradients
and speed, the confusions between classes, the most confident mistakes with their images (for a
pre-training its reconstructions), the settings and how they differ from the preset, where it
ran, and its checkpoints.

The page is a single HTML file: it needs no network and no other files. It is readable on a
phone and in dark mode. By default it is report.html in the folder of the run; "train" writes
it at its end.

Several RUNs share one page, with their curves in the same charts and a table of the settings
that differ. Give its name with --out.

Images come from the data set of the run, or from --data. If the folder lacks results, the
command runs the best checkpoint; --fast leaves that out.

--serve shows the page in a browser instead, and follows runs in progress. It listens only on
this machine unless the address says otherwise, and ends with SIGINT.

The last line on standard output is a JSON object: runs and out.`,
		Example: `  fasternet-train report runs/quickstart
  fasternet-train report runs/first runs/second --out compared.html
  fasternet-train report runs/quickstart --serve 127.0.0.1:8080`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if address != "" {
				if out != "" {
					return usageError{errors.New("--serve and --out: choose one")}
				}
				return serveRuns(cmd.Context(), address, dataDir, args)
			}
			if out == "" {
				if len(args) > 1 {
					return usageError{errors.New("--out: want a file for the page about several runs")}
				}
				out = filepath.Join(args[0], reportFile)
			}
			runs, err := loadRuns(args, dataDir)
			if err != nil {
				return usageError{err}
			}
			if out != "" {
				if err := checkpoints.Writable(out); err != nil {
					return fmt.Errorf("--out: %w", err)
				}
			}
			if dry.asked {
				return dry.say("make a page of "+strings.Join(args, ", "), out)
			}
			if !fast {
				examine(cmd.Context(), runs)
			}
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if err := report.Write(out, runs...); err != nil {
				return err
			}
			return printJSON(struct {
				Runs []string `json:"runs"`
				Out  string   `json:"out"`
			}{args, out})
		},
	}
	c.Flags().StringVar(&out, "out", "", "`FILE` to write; report.html in the folder of the run")
	c.Flags().StringVar(&dataDir, "data", "", "`folder` of the data set, if it has moved")
	c.Flags().BoolVar(&fast, "fast", false, "run no model")
	c.Flags().
		StringVar(&address, "serve", "", "show the page at this `address`, e.g. 127.0.0.1:8080, instead of writing it")
	dry.register(c)
	c.MarkFlagsMutuallyExclusive("dry-run", "serve")
	takesModel(c)
	return c
}

// serveRuns shows runs until SIGINT, the usual way to end it.
func serveRuns(ctx context.Context, address, dataDir string, dirs []string) error {
	if _, err := loadRuns(dirs, dataDir); err != nil {
		return usageError{err}
	}
	w := &watching{}
	if err := w.serve(display(), "--serve", "report", address, "", report.NewHandler(dataDir, dirs...)); err != nil {
		return err
	}
	if wantsJSON() {
		if err := printJSON(struct {
			Runs []string `json:"runs"`
			URL  string   `json:"url"`
		}{dirs, w.servers[0].URL()}); err != nil {
			return errors.Join(err, w.stop(true))
		}
	}
	<-ctx.Done()
	return w.stop(true)
}

func loadRuns(dirs []string, dataDir string) (runs []*report.Run, err error) {
	for _, dir := range dirs {
		r, err := report.Load(dir)
		if err != nil {
			return nil, err
		}
		if dataDir != "" {
			r.Config.Data.Dir = dataDir
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// examine runs the models of runs if their folders do not have all results. Without them the page is still made.
func examine(ctx context.Context, runs []*report.Run) {
	show := display()
	for _, r := range runs {
		begun := false
		err := r.Examine(ctx, func(done, total int) {
			if !begun {
				show.Begin("evaluating "+r.Name, 0, total)
				begun = true
			}
			show.Step(done, "evaluating "+r.Name)
		})
		show.End()
		if err != nil && ctx.Err() == nil {
			show.Line("warning: %s: the report has no classes, mistakes or reconstructions: %v", r.Dir, err)
		}
	}
}

// writeReport makes the page of a run that has just ended. A failure is not an error of the run.
func writeReport(ctx context.Context, dir string, ended error) {
	show := display()
	r, err := report.Load(dir)
	if err == nil {
		if ctx.Err() == nil && ended == nil { // no model runs after SIGINT
			examine(ctx, []*report.Run{r})
		}
		err = report.Write(filepath.Join(dir, reportFile), r)
	}
	if err != nil {
		show.Line("warning: no report: %v", err)
		return
	}
	show.Line("report: %s", filepath.Join(dir, reportFile))
}
