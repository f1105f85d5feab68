package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fasternet/checkpoints"
	"fasternet/train"
)

func TestTrainAndEval(t *testing.T) {
	data := fashion(t, 400, 100)
	dir, args := tinyRun(t, data)
	args = append(args, "--set", "train.epochs=6", "--set", "augment.mixup=0", "--set", "augment.cutmix=0",
		"--set", "augment.hflip=0", "--set", "model.drop_path_rate=0", "--set", "train.accum_steps=1")
	out := succeed(t, args...)
	top1, ok := out["top1"].(float64)
	if !ok || top1 < 60 || out["top5"].(float64) < top1 || out["loss"].(float64) <= 0 {
		t.Errorf("trained to %v", out)
	}
	for _, name := range []string{
		"config.yaml", "log.jsonl", "summary.csv", "train.log", "launches.jsonl", "evaluation.json",
		"report.html", "checkpoints/last.safetensors", "checkpoints/previous.safetensors",
		"checkpoints/best.safetensors",
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(dir, "checkpoints", "epoch-*")); len(kept) != 2 {
		t.Errorf("checkpoints of epochs: %v, want the best two", kept)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "checkpoints", "*.tmp")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	summary, _ := os.ReadFile(filepath.Join(dir, "summary.csv"))
	if n := strings.Count(string(summary), "\n"); n != 7 ||
		!strings.HasPrefix(
			string(summary),
			"epoch,train_loss,eval_loss,eval_top1,eval_top5,lr,img_per_s,data_s,memory_mb,grad_norm,first_epoch",
		) {
		t.Errorf("summary.csv:\n%s", summary)
	}
	report, _ := os.ReadFile(filepath.Join(dir, "report.html"))
	if n := strings.Count(string(report), "<svg"); n != 7+3 {
		t.Errorf("the report has %d charts, want 7 of the training and 3 of the evaluation", n)
	}
	if n := strings.Count(string(report), `class="heat"`); n < 10 {
		t.Errorf("the report shows %d times where the model looks, want images of ten classes", n)
	}
	if events, _ := filepath.Glob(filepath.Join(dir, "tensorboard", "*", "*tfevents*")); len(events) != 2 {
		t.Errorf("event files: %v", events)
	}
	for _, model := range []string{dir, filepath.Join(dir, "checkpoints", "best.safetensors")} {
		for _, batch := range []string{"7", "100"} {
			got := succeed(t, "eval", "--model", model, "--batch", batch)
			if got["top1"] != out["top1"] || got["top5"] != out["top5"] || got["count"] != 100.0 {
				t.Errorf("eval %s in batches of %s: %v, training said %v", model, batch, got, out)
			}
		}
	}
	// Now the folder has a run.
	fail(t, 1, "already has a run", args...)
	// A finished run only repeats its result.
	again := succeed(t, append(args, "--resume")...)
	if again["top1"] != out["top1"] {
		t.Errorf("resumed after its end: %v", again)
	}
}

// A run that was killed at any point and resumed ends with the same weights as an uninterrupted one, also with
// another number of threads and loader workers.
func TestKillAndResume(t *testing.T) {
	data := fashion(t, 200, 50)
	whole, args := tinyRun(t, data)
	want := succeed(t, append(args, "--set", "threads=1", "--set", "data.workers=1")...)
	for _, batch := range []int{8, 32, 60} {
		dir, args := tinyRun(t, data)
		args = append(args, "--set", "threads=2", "--set", "data.workers=3")
		cmd := command(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitForStep(t, dir, batch)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		got := succeed(t, append(args, "--resume")...)
		if got["top1"] != want["top1"] || got["loss"] != want["loss"] {
			t.Errorf("killed at batch %d: %v, want %v", batch, got, want)
		}
		sameWeights(t, readLast(t, dir), readLast(t, whole))
		sameLog(t, dir, whole)
	}
}

// scores returns the columns of a summary that do not depend on the machine.
func scores(summary []byte) string {
	var kept strings.Builder
	for _, line := range strings.Split(string(summary), "\n") {
		columns := strings.Split(line, ",")
		kept.WriteString(strings.Join(columns[:min(len(columns), 6)], ",") + "\n")
	}
	return kept.String()
}

// sameLog checks that a resumed run has logged every step once.
func sameLog(t *testing.T, dir, whole string) {
	t.Helper()
	a, _ := os.ReadFile(filepath.Join(dir, "summary.csv"))
	b, _ := os.ReadFile(filepath.Join(whole, "summary.csv"))
	if scores(a) != scores(b) {
		t.Errorf("summaries differ:\n%s\n%s", a, b)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log.jsonl"))
	last, epochs := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(string(log)), "\n") {
		var r struct {
			Kind    string
			Batches int
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Errorf("log line %q: %v", line, err)
		}
		if r.Kind == "epoch" {
			epochs++
		} else if r.Batches <= last {
			t.Errorf("batch %d is logged after %d", r.Batches, last)
		}
		last = r.Batches
	}
	if epochs != 3 {
		t.Errorf("%d epochs are logged", epochs)
	}
}

// A signal ends a run with a checkpoint. The run has more epochs than can end before the signal comes. Its learning
// rate is constant, so that a shorter run has the same first epochs.
func TestSignals(t *testing.T) {
	data := fashion(t, 200, 50)
	constant := []string{"--set", "sched.form=constant"}
	for _, c := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		t.Run(fmt.Sprint(c.signal), func(t *testing.T) {
			dir, args := tinyRun(t, data)
			args = append(args, constant...)
			args = append(args, "--set", "checkpoint.every_steps=0", "--set", "train.epochs=100000")
			cmd := command(args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitForStep(t, dir, 12)
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != c.code {
				t.Errorf("%v: exit code %d, want %d", c.signal, got, c.code)
			}
			var at train.Progress // of the checkpoint
			if err := json.Unmarshal([]byte(readLast(t, dir).Meta[train.ProgressKey]), &at); err != nil {
				t.Fatal(err)
			}
			epochs := fmt.Sprintf("train.epochs=%d", max(at.Epoch+1, 3))
			succeed(t, "train", "--run", dir, "--resume", "--set", epochs)
			whole, args := tinyRun(t, data)
			succeed(t, append(append(args, constant...), "--set", epochs)...)
			sameWeights(t, readLast(t, dir), readLast(t, whole))
		})
	}
}

func TestTornCheckpoint(t *testing.T) {
	data := fashion(t, 200, 50)
	whole, args := tinyRun(t, data)
	succeed(t, args...)
	want := readLast(t, whole)

	path := filepath.Join(whole, "checkpoints", checkpoints.Last)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		damaged []byte
	}{
		{"torn", raw[:len(raw)/2]},
		{
			"altered",
			append(
				append([]byte(nil), raw[:len(raw)-9]...),
				append([]byte{raw[len(raw)-9] ^ 4}, raw[len(raw)-8:]...)...,
			),
		},
		{"empty", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			writeFile(t, path, c.damaged)
			r := invoke(t, append(args, "--resume")...)
			if r.code != 0 ||
				!strings.Contains(r.stderr, "damaged checkpoint") ||
				!strings.Contains(r.stderr, "resuming ") {
				t.Errorf("%s: exit code %d\n%s", c.name, r.code, r.stderr)
			}
			sameWeights(t, readLast(t, whole), want)
		})
	}
	writeFile(t, filepath.Join(whole, "checkpoints", checkpoints.Best), raw[:100])
	fail(t, 1, "damaged checkpoint", "eval", "--model", whole)
}

func TestResumeWithoutRun(t *testing.T) {
	dir, args := tinyRun(t, fashion(t, 40, 10))
	r := invoke(t, append(args, "--resume", "--set", "train.epochs=1")...)
	if r.code != 0 || !strings.Contains(r.stderr, "nothing to resume") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	readLast(t, dir)
	fail(t, 2, "no run to resume", "train", "--resume", "--run", filepath.Join(dir, "none"))
	fail(t, 2, "want a preset", "train")
}
