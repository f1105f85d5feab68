package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/eval"
	"fasternet/train"
)

func TestConfigurations(t *testing.T) {
	names := map[string]bool{}
	for _, short := range []bool{false, true} {
		trained := map[string]bool{}
		for _, r := range (plan{short: short}).runs("runs") {
			c, err := r.config()
			if err != nil {
				t.Fatalf("%s: %v", r.name, err)
			}
			if trained[r.name] {
				t.Errorf("%s occurs twice", r.name)
			}
			trained[r.name] = true
			if (c.Task == "localmim") != (r.labels == 0) || c.Data.MaxPerClass != r.labels/10 {
				t.Errorf("%s: task %s with %d images of a class", r.name, c.Task, c.Data.MaxPerClass)
			}
			if c.From != "" && !trained[filepath.Base(c.From)] {
				t.Errorf("%s starts from %s, which is not trained before it", r.name, c.From)
			}
			names[r.name] = true
		}
	}
	if len(names) < 30 {
		t.Errorf("%d runs", len(names))
	}
}

func TestTables(t *testing.T) {
	of := func(start string, top1 float64) result {
		return result{
			run:     run{family: "vit", start: start, labels: 600},
			outcome: train.Outcome{Result: eval.Result{Top1: 99}, Last: train.Score{Result: eval.Result{Top1: top1}}},
		}
	}
	got := tables([]result{of(scratch, 60), of(scratch, 64), of(full, 70)})
	for _, want := range []string{
		"| vit | scratch | 600 | 62.0 ± 2.8 (60.00, 64.00) | – |",
		"| vit | LocalMIM | 600 | 70.0 ± 0.0 (70.00) | +8.0 points |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestUnknownFamily(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	var out bytes.Buffer
	err := demo(context.Background(), dir, plan{only: "resnet"}, io.Discard, &out)
	if err == nil || !strings.Contains(err.Error(), "resnet") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder was made")
	}
}
