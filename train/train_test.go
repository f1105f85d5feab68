package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"
)

// Train the quickstart for the first steps, from Go.
func ExampleRun() {
	config, err := configs.Load("quickstart", "train.epochs=20")
	if err != nil {
		fmt.Println(err)
		return
	}
	config.Data.Dir = "no such folder" // so that the example ends at once
	_, err = Run(context.Background(), config, Options{Dir: filepath.Join("runs", "mine"), Log: io.Discard})
	fmt.Println(err != nil)
	// Output: true
}

func TestTopK(t *testing.T) {
	var p Progress
	var dropped []int
	for epoch, top1 := range []float64{10, 30, 20, 30, 5} {
		var s Score
		s.Epoch, s.Top1, s.Loss = epoch, top1, -top1
		p.rank(s, "top1", 2)
		dropped = append(dropped, p.Dropped...)
	}
	if len(p.TopK) != 2 || p.TopK[0].Epoch != 1 || p.TopK[1].Epoch != 3 || fmt.Sprint(dropped) != "[0 2 4]" {
		t.Errorf("kept %+v, dropped %v", p.TopK, dropped)
	}
	a, b := Score{}, Score{}
	a.Top1, a.Loss, b.Top1, b.Loss = 2, 2, 1, 1
	if !a.Better(b, "top1") || a.Better(b, "loss") || !b.Better(a, "loss") {
		t.Error("better is wrong")
	}
	if p.rank(a, "top1", 0); p.Dropped != nil || len(p.TopK) != 2 {
		t.Error("top_k 0 keeps something")
	}
}

func TestDivergedError(t *testing.T) {
	e := &DivergedError{Epoch: 2, Step: 9, Loss: math.NaN(), Samples: []int{4, 5}}
	for _, want := range []string{"epoch 3, step 10", "NaN", "[4 5]", "optim.clip_grad"} {
		if !strings.Contains(e.Error(), want) {
			t.Errorf("%q has no %q", e, want)
		}
	}
	e = &DivergedError{Loss: 1, GradNorm: math.Inf(1)}
	if !strings.Contains(e.Error(), "gradient norm is +Inf") {
		t.Errorf("got %q", e)
	}
}

// Records after the checkpoint are dropped, and so is a line that was cut off.
func TestForget(t *testing.T) {
	f, err := OpenFolder(filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	c := configs.Default()
	if err := f.start(&c, nil, Progress{}); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 6; i++ {
		if err := f.record(Record{Kind: StepRecord, Epoch: (i - 1) / 3, Step: (i-1)%3 + 1, Batches: i}); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			s := Score{Epoch: i/3 - 1, LR: 0.5}
			if err := errors.Join(
				f.record(Record{Kind: EpochRecord, Epoch: s.Epoch, Batches: i}),
				f.summarise(s, Record{}),
			); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := f.log.Write([]byte(`{"kind":"step","ba`)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if !Holds(f.Dir) || Holds(t.TempDir()) {
		t.Error("Holds is wrong")
	}
	// The checkpoint is from before the second evaluation.
	if err := f.start(&c, nil, Progress{Epoch: 1, Step: 3, Batches: 6}); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := f.Records()
	if err != nil {
		t.Fatal(err)
	}
	scores, err := f.Scores()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 7 || records[6].Batches != 6 || len(scores) != 1 || scores[0].LR != 0.5 {
		t.Errorf("records %+v, scores %+v", records, scores)
	}
	if err := os.WriteFile(f.path(SummaryFile), []byte("0,1,x,3,4,5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Scores(); err == nil {
		t.Error("a summary with text for a number is accepted")
	}
}

func TestDisplay(t *testing.T) {
	var out, log strings.Builder
	d := NewDisplay(&out) // no terminal: plain lines
	d.log = &log
	d.Begin("epoch 1", 0, 10)
	d.Step(5, "half")
	d.Plain("step 5")
	d.End()
	d.Line("done %d %%", 100)
	if out.String() != "step 5\ndone 100 %\n" || strings.Count(log.String(), "\n") != 2 {
		t.Errorf("got %q and %q", out.String(), log.String())
	}
}
