package train

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fasternet/configs"
	"fasternet/eval"
	"fasternet/ops"
)

func openTest(t *testing.T) *Folder {
	t.Helper()
	f, err := OpenFolder(filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A launch without an end is training, or was killed.
func TestLaunches(t *testing.T) {
	f := openTest(t)
	if all, err := f.Launches(); err != nil || len(all) != 0 {
		t.Errorf("a new folder: %v, %v", all, err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	err := errors.Join(
		f.appendLaunch(Launch{Kind: beginning, Time: at, Steps: 7}),
		f.appendLaunch(Launch{Kind: beginning, Time: at, Batches: 3}),
		f.appendLaunch(Ending{Kind: ending, State: Diverged, Message: "NaN", Batches: 9}))
	if err != nil {
		t.Fatal(err)
	}
	all, err := f.Launches()
	if err != nil || len(all) != 2 || all[0].End != nil || all[0].Steps != 7 || !all[0].Time.Equal(at) ||
		all[1].End == nil || all[1].End.State != Diverged || all[1].End.Message != "NaN" || all[1].Batches != 3 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestEvaluationFile(t *testing.T) {
	f := openTest(t)
	if _, err := f.Evaluation(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without one: %v", err)
	}
	e := Evaluation{Epoch: 4, Classes: []string{"a", "b"}, Report: eval.Report{
		Result:    eval.Result{Top1: 50, Count: 3},
		Confusion: eval.NewConfusion(2),
		Mistakes:  []eval.Mistake{{Index: 1, Name: "x", Label: 1, Confidence: 0.75}},
	}}
	e.Confusion.Add(0, 0)
	e.Confusion.Add(1, 0)
	e.Confusion.Add(1, -1)
	if err := f.WriteEvaluation(e); err != nil {
		t.Fatal(err)
	}
	got, err := f.Evaluation()
	if err != nil || !reflect.DeepEqual(*got, e) {
		t.Errorf("%+v, %v, want %+v", got, err, e)
	}
}

// The log and the summary have the cost of each epoch, and keep it after a resume.
func TestPace(t *testing.T) {
	f := openTest(t)
	c := configs.Default()
	if err := f.start(&c, nil, Progress{}); err != nil {
		t.Fatal(err)
	}
	r := Record{Kind: EpochRecord, Batches: 4, Memory: 12}
	pace{images: 300, updates: 3, waited: time.Second, took: 2 * time.Second}.complete(&r)
	if r.Speed != 150 || r.Waited != 1 || r.Trained != 2 {
		t.Errorf("%+v", r)
	}
	none := Record{}
	pace{}.complete(&none)
	if !reflect.DeepEqual(none, Record{}) {
		t.Errorf("an epoch of which nothing was trained: %+v", none)
	}
	if err := errors.Join(f.record(r), f.summarise(Score{LR: 0.5}, r), f.Close()); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(f.path(SummaryFile))
	if err != nil {
		t.Fatal(err)
	}
	// Lines of a version without these columns get empty ones.
	if err := os.WriteFile(f.path(SummaryFile), append(old, "1,2,3,4,5,6\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.start(&c, nil, Progress{Epoch: 2, Batches: 8}); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, _ := os.ReadFile(f.path(SummaryFile))
	if want := string(old) + "2,2,3,4,5,6,,,,,1,\n"; string(text) != want {
		t.Errorf("summary\n%swant\n%s", text, want)
	}
	if m := residentMemory(); m < 1e6 || m > 1e12 || math.IsNaN(m) {
		t.Errorf("%v bytes of memory", m)
	}
}

// Each of the two axes has its own files, a resumed run begins new ones, and a run without TensorBoard writes none.
func TestBoard(t *testing.T) {
	dir := t.TempDir()
	top1, loss := 50.0, 1.0
	for _, p := range []Progress{{}, {Epoch: 1, Step: 5, Batches: 15}} {
		b, err := openBoard(dir, p, 10)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(
			b.record(
				Record{Kind: StepRecord, Epoch: p.Epoch, Step: 6, Batches: p.Batches + 1, Scales: []float64{1, 2}},
				10,
			),
			b.record(Record{Kind: EpochRecord, Epoch: p.Epoch, Top1: &top1, Top5: &top1, EvalLoss: &loss}, 10),
			b.histograms([]*ops.Param{ops.NewParam("w", 2, 3)}, p.Epoch+1, true),
			b.close())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.picture("x", filepath.Join(dir, "none.png"), 1); err == nil {
			t.Error("a picture that is not there is added")
		}
	}
	for _, axis := range []string{"step", "epoch_1000x"} {
		if files, _ := filepath.Glob(filepath.Join(dir, axis, "*tfevents*")); len(files) != 2 {
			t.Errorf("%s: %v", axis, files)
		}
	}
	if got := thousandths(2, 5, 10); got != 2500 {
		t.Errorf("the middle of the third epoch is %d", got)
	}
	var none *board
	if err := errors.Join(
		none.record(Record{}, 1),
		none.picture("", "", 1),
		none.histograms(nil, 1, true),
		none.close(),
	); err != nil {
		t.Error(err)
	}
}

// The files count epochs from 1, as messages do. Files of older versions count from 0, and are still read that
// way, also after a run continues in them.
func TestEpochsCountFromOne(t *testing.T) {
	f := openTest(t)
	c := configs.Default()
	old := `{"kind":"epoch","epoch":0,"batches":4,"loss":1,"lr":0.5,"seconds":1}` + "\n"
	if err := errors.Join(
		os.WriteFile(f.path(LogFile), []byte(old), 0o644),
		os.WriteFile(
			f.path(SummaryFile),
			[]byte(strings.Join(summaryHeader[:firstColumn], ",")+"\n0,1,2,3,4,5,6,7,8,9\n"),
			0o644,
		),
		f.start(&c, nil, Progress{Epoch: 1, Batches: 4}),
		f.record(Record{Kind: EpochRecord, Epoch: 1, Batches: 8}),
		f.summarise(Score{Epoch: 1, LR: 0.5}, Record{}),
		f.WriteEvaluation(Evaluation{
			Epoch:   1,
			Classes: []string{"a"},
			Report:  eval.Report{Confusion: eval.NewConfusion(1)},
		}),
		f.Close()); err != nil {
		t.Fatal(err)
	}
	records, err := f.Records()
	if err != nil || len(records) != 2 || records[0].Epoch != 0 || records[1].Epoch != 1 {
		t.Errorf("records: %+v, %v", records, err)
	}
	scores, err := f.Scores()
	if err != nil || len(scores) != 2 || scores[0].Epoch != 0 || scores[1].Epoch != 1 {
		t.Errorf("scores: %+v, %v", scores, err)
	}
	if e, err := f.Evaluation(); err != nil || e.Epoch != 1 {
		t.Errorf("evaluation: %+v, %v", e, err)
	}
	for name, want := range map[string]string{
		LogFile:        `{"kind":"epoch","epoch":2,"first_epoch":1,`,
		SummaryFile:    "\n1,1,2,3,4,5,6,7,8,9,1,\n2,0,0,0,0,0.5,0,0,0,0,1,\n",
		EvaluationFile: `"epoch":2,"first_epoch":1`,
	} {
		if text, err := os.ReadFile(f.path(name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v\n%swant %s", name, err, text, want)
		}
	}
}
