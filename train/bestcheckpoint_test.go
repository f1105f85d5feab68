package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/eval"
	"fasternet/formats"
	"fasternet/internal/ramdisk"
)

// Of two equal accuracies the lower loss is better, of two equal losses the higher accuracy. NaN is worse than
// any number.
func TestBetter(t *testing.T) {
	nan := math.NaN()
	score := func(top1, loss float64) Score { return Score{Result: eval.Result{Top1: top1, Loss: loss}} }
	for _, c := range []struct {
		name, monitor string
		better, worse Score
	}{
		{"accuracy", "top1", score(2, 9), score(1, 1)},
		{"equal accuracies", "top1", score(2, 1), score(2, 1.5)},
		{"loss", "loss", score(1, 1), score(2, 9)},
		{"equal losses", "loss", score(2, 1), score(1, 1)},
		{"accuracy NaN", "top1", score(0, 9), score(nan, 1)},
		{"loss NaN", "loss", score(0, math.Inf(1)), score(9, nan)},
		{"loss NaN, equal accuracies", "top1", score(1, 5), score(1, nan)},
	} {
		if !c.better.Better(c.worse, c.monitor) ||
			c.worse.Better(c.better, c.monitor) ||
			c.better.Better(c.better, c.monitor) {
			t.Errorf("%s: wrong", c.name)
		}
	}
	var p Progress
	for epoch, loss := range []float64{3, 2, 2.5, 2} {
		s := score(50, loss)
		s.Epoch = epoch
		p.rank(s, "top1", 2)
	}
	if len(p.TopK) != 2 || p.TopK[0].Epoch != 1 || p.TopK[1].Epoch != 3 {
		t.Errorf("of equal accuracies these were kept: %+v", p.TopK)
	}
	p = Progress{}
	for _, v := range []float64{nan, 10, nan, 11} {
		p.wait(score(v, 1), "top1", 0)
	}
	if p.Stale != 0 || *p.Bar != 11 {
		t.Errorf("the bar after NaN: %+v", p)
	}
}

// known returns what the checkpoints of a folder hold: the epoch of each state, or its step.
func known(t *testing.T, dir string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(CheckpointDir(dir), "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".safetensors")
		if c, err := checkpoints.Read(path); err == nil && strings.HasSuffix(path, ".safetensors") {
			p, err := progressOf(c.Meta)
			if err != nil {
				t.Fatal(err)
			}
			name += fmt.Sprintf("=%d.%d", p.Epoch, p.Step)
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// history has the evaluations of a run of five epochs.
var history = []Score{
	{Epoch: 0, Result: eval.Result{Top1: 10, Loss: 2.5}},
	{Epoch: 1, Result: eval.Result{Top1: 40, Loss: 2}},
	{Epoch: 2, Result: eval.Result{Top1: 30, Loss: 1}},
	{Epoch: 3, Result: eval.Result{Top1: 20, Loss: 1.5}},
	{Epoch: 4, Result: eval.Result{Top1: 15, Loss: 3}},
}

// stateAfter returns a checkpoint after this many epochs. Its weights tell which.
func stateAfter(t *testing.T, p Progress) checkpoints.File {
	t.Helper()
	return checkpoints.File{
		Meta:    map[string]string{ProgressKey: p.text()},
		Tensors: []formats.Tensor{{Name: "w", Shape: []int{1}, F32: []float32{float32(p.Epoch)}}},
	}
}

// runOfFive makes the folder of that run, with the two best epochs kept, and a trainer that has resumed it. The
// last checkpoint is from the end, the one before from the end of epoch 4.
func runOfFive(t *testing.T, monitor string) (*trainer, *signal) {
	t.Helper()
	f := &Folder{Dir: t.TempDir()}
	f.Checkpoints = Checkpoints(f.Dir)
	if err := os.MkdirAll(f.Checkpoints.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var p Progress
	for _, s := range history {
		p.Epoch, p.Last = s.Epoch+1, s
		best := p.Best == nil || s.Better(*p.Best, "top1")
		if best {
			p.Best = &s
		}
		p.rank(s, "top1", 2)
		state := stateAfter(t, p)
		err := f.summarise(s, Record{})
		if best {
			err = errors.Join(err, f.Checkpoints.Save(checkpoints.Best, state))
		}
		if slices.ContainsFunc(p.TopK, func(k Score) bool { return k.Epoch == s.Epoch }) {
			err = errors.Join(err, f.Checkpoints.Save(checkpoints.Epoch(s.Epoch), state))
		}
		err = errors.Join(err, f.Checkpoints.SaveLast(state))
		for _, e := range p.Dropped {
			err = errors.Join(err, f.dropEpoch(e))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	log := &signal{}
	c := configs.Default()
	c.Checkpoint.Monitor = monitor
	return &trainer{config: &c, folder: f, progress: p, show: NewDisplay(log)}, log
}

// Whatever happened to the files, the best checkpoint and the checkpoints of the best epochs end up as the log says.
func TestSettle(t *testing.T) {
	const best, previous, last = checkpoints.Best, checkpoints.Previous, checkpoints.Last
	own, second := checkpoints.Epoch(1), checkpoints.Epoch(2)
	remove := func(names ...string) func(t *testing.T, f checkpoints.Folder) {
		return func(t *testing.T, f checkpoints.Folder) {
			for _, n := range names {
				if err := os.Remove(f.Path(n)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	cut := func(name string, to func(size int64) int64) func(t *testing.T, f checkpoints.Folder) {
		return func(t *testing.T, f checkpoints.Folder) {
			info, err := os.Stat(f.Path(name))
			if err == nil {
				err = os.Truncate(f.Path(name), to(info.Size()))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	half := func(n int64) int64 { return n / 2 }
	one := func(n int64) int64 { return n - 1 }
	const all = "best=2.0 epoch-001=2.0 epoch-002=3.0 last=5.0 previous=4.0"
	for _, c := range []struct {
		name, monitor string
		spoil         func(t *testing.T, f checkpoints.Folder)
		files         string
		says          []string
	}{
		{"nothing is wrong", "top1", func(*testing.T, checkpoints.Folder) {}, all, nil},
		{
			"the best is missing", "top1", remove(best), all,
			[]string{"writing best.safetensors again from epoch-001.safetensors"},
		},
		{
			"the best has lost a byte", "top1", cut(best, one), "best.safetensors.damaged " + all,
			[]string{"best.safetensors: damaged checkpoint", "writing best.safetensors again"},
		},
		{
			"the best is cut off", "top1", cut(best, half), "best.safetensors.damaged " + all,
			[]string{"best.safetensors: damaged checkpoint", "writing best.safetensors again"},
		},
		{"the best is of another epoch", "top1", func(t *testing.T, f checkpoints.Folder) {
			if err := f.Copy(last, best); err != nil {
				t.Fatal(err)
			}
		}, all, []string{"writing best.safetensors again from epoch-001"}},
		{"the best is of another run", "top1", func(t *testing.T, f checkpoints.Folder) {
			if err := f.Save(best, stateAfter(t, Progress{
				Epoch: 4,
				Last:  Score{Epoch: 3, Result: eval.Result{Top1: 99}},
			})); err != nil {
				t.Fatal(err)
			}
		}, all, []string{"writing best.safetensors again"}},
		{
			"the best epoch is missing", "top1", remove(own), all,
			[]string{"writing epoch-001.safetensors again from best.safetensors"},
		},
		{
			"an epoch is missing", "top1", remove(second),
			"best=2.0 epoch-001=2.0 last=5.0 previous=4.0",
			[]string{"epoch-002.safetensors, one of the best epochs (checkpoint.top_k), is lost"},
		},
		{
			"both are damaged", "top1",
			func(t *testing.T, f checkpoints.Folder) { cut(best, one)(t, f); cut(own, one)(t, f) },
			"best=3.0 best.safetensors.damaged epoch-001.safetensors.damaged epoch-002=3.0 last=5.0 previous=4.0",
			[]string{"the best weights (epoch 2, top-1 40.00 %) are lost: epoch 3, top-1 30.00 % is now the best"},
		},
		{"all of the best epochs are lost", "top1", remove(best, own, second), "best=4.0 last=5.0 previous=4.0",
			[]string{
				"are lost: epoch 4, top-1 20.00 % is now the best",
				"writing best.safetensors again from previous.safetensors",
			}},
		{"no evaluated checkpoint is left", "top1", func(t *testing.T, f checkpoints.Folder) {
			remove(best, own, second, previous)(t, f)
			if err := f.Save(last, stateAfter(t, Progress{Epoch: 4, Step: 3, Last: history[3]})); err != nil {
				t.Fatal(err)
			}
		}, "last=4.3", []string{"no other evaluated ones are left"}},
		{
			"another measure", "loss", func(*testing.T, checkpoints.Folder) {},
			strings.Replace(all, "best=2.0", "best=3.0", 1),
			[]string{
				"with checkpoint.monitor loss the best is now epoch 3, loss 1.0000; it was epoch 2, loss 2.0000",
				"writing best.safetensors again from epoch-002.safetensors",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr, log := runOfFive(t, c.monitor)
			c.spoil(t, tr.folder.Checkpoints)
			if err := tr.settle(); err != nil {
				t.Fatal(err)
			}
			want := strings.Fields(c.files)
			slices.Sort(want)
			got := known(t, tr.folder.Dir)
			if got != strings.Join(want, " ") {
				t.Errorf("the files are\n%s\nwant\n%s", got, strings.Join(want, " "))
			}
			switch p := tr.progress; {
			case p.Best == nil && strings.Contains(got, "best="),
				p.Best != nil && !strings.Contains(got, fmt.Sprintf("best=%d.0", p.Best.Epoch+1)):
				t.Errorf("the progress says %+v, the files are %s", p.Best, got)
			case !slices.IsSortedFunc(p.TopK, func(a, b Score) int {
				if b.Better(a, c.monitor) {
					return 1
				}
				return -1
			}):
				t.Errorf("the best epochs are not in order: %+v", p.TopK)
			}
			for _, w := range c.says {
				if !strings.Contains(log.all.String(), w) {
					t.Errorf("it does not say %q\n%s", w, log.all.String())
				}
			}
			if c.says == nil && log.all.String() != "" {
				t.Errorf("it complains: %s", log.all.String())
			}
			log.all.Reset()
			if err := tr.settle(); err != nil || log.all.String() != "" {
				t.Errorf("a second time: %v, %s", err, log.all.String())
			}
		})
	}
}

// By another measure, the best epoch may have no checkpoint. A message says so, and evaluations without a better one
// are counted by the new measure.
func TestAnotherMeasure(t *testing.T) {
	for _, c := range []struct {
		was, is string
		delta   float64 // train.min_delta of the resumed run
		lost    []string
		says    string
		stale   int
		bar     float64
	}{
		{"top1", "top1", 0, nil, "", 7, 99}, // no change, so no new count
		{"top1", "top1", 35, nil, "", 4, 10},
		{
			"top1", "loss", 0, nil,
			"with checkpoint.monitor loss the best is now epoch 3, loss 1.0000; it was epoch 2",
			2, -1,
		},
		{
			"top1", "loss", 0, []string{checkpoints.Epoch(2)},
			"the best weights (epoch 3, loss 1.0000) are lost: epoch 4, loss 1.5000 is now the best",
			2, -1,
		},
	} {
		tr, log := runOfFive(t, c.is)
		was, bar := configs.Default(), 99.0
		was.Checkpoint.Monitor = c.was
		tr.was, tr.config.Train.MinDelta = &was, c.delta
		tr.progress.Bar, tr.progress.Stale = &bar, 7
		for _, name := range c.lost { // it was not among the best by the old measure
			if err := os.Remove(tr.folder.Checkpoints.Path(name)); err != nil {
				t.Fatal(err)
			}
			tr.progress.TopK = tr.progress.TopK[:1]
		}
		tr.remeasure()
		if err := tr.settle(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.all.String(), c.says) || c.says == "" && log.all.String() != "" {
			t.Errorf("%+v: it says %q", c, log.all.String())
		}
		if p := tr.progress; p.Stale != c.stale || *p.Bar != c.bar {
			t.Errorf("%+v: %d evaluations without one better than %v", c, p.Stale, *p.Bar)
		}
	}
}

// A process that was killed between writing the best checkpoint and the last resumes from the best. Whatever is
// trained after that, also with other settings, the best is what the log says.
func TestKilledBetweenBestAndLast(t *testing.T) {
	data := stripes(t, 40, 30)
	dir, killed := filepath.Join(ramdisk.Dir(t), "run"), filepath.Join(ramdisk.Dir(t), "run")
	var best *Score
	c := load(t, data, "train.epochs=4", "data.workers=1", "checkpoint.every_epochs=4")
	_, err := Run(context.Background(), c, Options{Dir: dir, Log: io.Discard, Observe: func(s Status) {
		if s.Epoch == 2 && best == nil {
			best = s.Best
			if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
				t.Error(err)
			}
		}
	}})
	if err != nil || best == nil {
		t.Fatal(err)
	}
	f := Checkpoints(killed)
	if err := f.Remove("../" + LockFile); err != nil {
		t.Fatal(err)
	}
	log := &signal{}
	again := load(t, data, "train.epochs=4", "data.workers=1", "optim.lr=1e-9")
	out, err := Run(context.Background(), again, Options{Dir: killed, Resume: true, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("resuming %s at epoch %d, step 1", f.Path(checkpoints.Best), best.Epoch+2)
	if !strings.Contains(log.all.String(), want) {
		t.Errorf("it does not say %q\n%s", want, log.all.String())
	}
	scores, err := (&Folder{Dir: killed}).Scores()
	if err != nil || len(scores) != 4 {
		t.Fatalf("%+v, %v", scores, err)
	}
	top := scores[0]
	for _, s := range scores {
		if s.Better(top, "top1") {
			top = s
		}
	}
	if found := scoreOf(readMeta(t, f.Path(checkpoints.Best))); found == nil ||
		!found.same(top) ||
		out.Epoch != top.Epoch+1 {
		t.Errorf("best is %+v, the outcome says epoch %d, the log %+v", found, out.Epoch, top)
	}
	if found := CheckBest(killed, "top1"); found != "" {
		t.Error(found)
	}
}

func readMeta(t *testing.T, path string) map[string]string {
	t.Helper()
	meta, err := checkpoints.ReadMeta(path)
	if err != nil {
		t.Fatal(err)
	}
	return meta
}

// A best checkpoint that is deleted during the run exists again at its end.
func TestBestDeletedMeanwhile(t *testing.T) {
	dir := filepath.Join(ramdisk.Dir(t), "run")
	c := load(t, stripes(t, 40, 30), "train.epochs=4", "checkpoint.top_k=4", "data.workers=1")
	steps := 0
	out, err := Run(context.Background(), c, Options{Dir: dir, Log: io.Discard, Observe: func(s Status) {
		if steps++; s.Best != nil && s.Epoch == 3 {
			_ = os.Remove(Checkpoints(dir).Path(checkpoints.Best))
		}
	}})
	if err != nil || steps == 0 {
		t.Fatal(err)
	}
	if s := scoreOf(readMeta(t, Checkpoints(dir).Path(checkpoints.Best))); s == nil || s.Epoch+1 != out.Epoch {
		t.Errorf("best is %+v, want the one of epoch %d", s, out.Epoch)
	}
}
