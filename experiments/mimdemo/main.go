// Command mimdemo asks whether pre-training without labels helps. It pre-trains a small ViT, a small
// Swin and a small FasterNet with LocalMIM on the 60,000 images of Fashion-MNIST, and fine-tunes them
// on a few labels. It compares them with the same models trained from scratch, and finds which part
// of the method makes the difference. Its tables are in docs/results.md.
//
//	make mim-demo               # the whole of it
//	make mim-demo-short         # one seed, short runs
//
// Every run is a folder below -dir, with its own report. After an interruption the same command
// continues where it stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"fasternet/report"
	"fasternet/train"
)

func main() {
	short := flag.Bool("short", false, "one seed and short runs: five minutes on two cores")
	dir := flag.String("dir", "runs/mim-demo", "folder of all runs and of the tables")
	only := flag.String("only", "", "one family: "+strings.Join(families, ", "))
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demo(ctx, *dir, plan{short: *short, only: *only}, os.Stderr, os.Stdout)
	stop()
	switch {
	case errors.Is(err, train.ErrInterrupted):
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "mimdemo:", err)
		os.Exit(1)
	}
}

// demo trains the runs of the plan in order, and writes the tables to a file in dir and to out.
func demo(ctx context.Context, dir string, p plan, log, out io.Writer) error {
	if p.only != "" && !slices.Contains(families, p.only) {
		return fmt.Errorf("-only %s: want %s", p.only, strings.Join(families, " or "))
	}
	if p.short {
		dir += "-short"
	}
	runs := p.runs(dir)
	var results []result
	for i, r := range runs {
		fmt.Fprintf(log, "\n[%d/%d] %s\n", i+1, len(runs), r.name)
		c, err := r.config()
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		began := time.Now()
		folder := filepath.Join(dir, r.name)
		o, err := train.Run(ctx, c, train.Options{Dir: folder, Resume: true, Log: log})
		if err == nil {
			err = page(folder)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		results = append(results, result{run: r, outcome: o, took: time.Since(began)})
	}
	text := tables(results)
	if err := os.WriteFile(filepath.Join(dir, "results.md"), []byte(text), 0o644); err != nil {
		return err
	}
	_, err := io.WriteString(out, text)
	return err
}

// page writes the report of a run into its folder.
func page(folder string) error {
	r, err := report.Load(folder)
	if err != nil {
		return err
	}
	return report.Write(filepath.Join(folder, "report.html"), r)
}
