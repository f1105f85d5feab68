package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
)

// Train the quickstart for the first steps, from Go.
func ExampleRun() {
	config, err := configs.Load("quickstart", "train.epochs=20")
	if err != nil {
		fmt.Println(err)
		return
	}
	config.Data.Dir = "no such folder" // for the example: it shall end at once
	_, err = Run(context.Background(), config, Options{Dir: filepath.Join("runs", "mine"), Log: io.Discard})
	fmt.Println(err != nil)
	// Output: true
}

func TestFasterNetSchedule(t *testing.T) {
	var refs []struct {
		LR       float64   `json:"lr"`
		Warmup   int       `json:"warmup_epochs"`
		Epochs   int       `json:"max_epochs"`
		Start    float64   `json:"warmup_start_lr"`
		Min      float64   `json:"eta_min"`
		PerEpoch []float64 `json:"lr_per_epoch"`
	}
	golden.JSON(t, "schedule_fasternet.json", &refs)
	for _, r := range refs {
		s := Schedule{Sched: configs.Sched{Form: "fasternet", WarmupEpochs: r.Warmup, WarmupLR: r.Start, MinLR: r.Min}, LR: r.LR, Epochs: r.Epochs, Steps: 10}
		for epoch, want := range r.PerEpoch {
			for _, step := range []int{0, 9} { // constant in an epoch
				if got := s.At(epoch, step); math.Abs(got-want) > 1e-9*want {
					t.Errorf("epoch %d: %v, want %v", epoch, got, want)
				}
			}
		}
	}
	one := Schedule{Sched: configs.Sched{Form: "fasternet", WarmupEpochs: 1, WarmupLR: 1e-6}, LR: 1, Epochs: 3, Steps: 1}
	if got := one.At(0, 0); got != 1e-6 {
		t.Errorf("a warm-up of one epoch: %v", got)
	}
}

func TestLocalMIMSchedule(t *testing.T) {
	var refs []struct {
		LR     float64 `json:"lr"`
		Min    float64 `json:"min_lr"`
		Warmup int     `json:"warmup_epochs"`
		Epochs int
		Rows   [][3]float64 `json:"epoch_lr_lrscale05"`
	}
	golden.JSON(t, "schedule_localmim.json", &refs)
	for _, r := range refs {
		s := Schedule{Sched: configs.Sched{Form: "localmim", WarmupEpochs: r.Warmup, MinLR: r.Min}, LR: r.LR, Epochs: r.Epochs, Steps: 1000}
		for _, row := range r.Rows {
			epoch := int(row[0])
			step := int(math.Round((row[0] - float64(epoch)) * 1000))
			if got := s.At(epoch, step); math.Abs(got-row[1]) > 1e-9*row[1] {
				t.Errorf("%v epochs: %v, want %v", row[0], got, row[1])
			}
		}
	}
}

func TestTimmSchedule(t *testing.T) {
	s := Schedule{Sched: configs.Sched{Form: "timm", WarmupEpochs: 5, WarmupLR: 0.1, MinLR: 0.01}, LR: 1, Epochs: 100, Steps: 10}
	half := func(v float64) float64 { return 0.01 + 0.99/2*(1+math.Cos(v*math.Pi)) }
	for _, c := range []struct {
		onUpdates, prefix bool
		epoch, step       int
		want              float64
	}{
		{false, false, 0, 9, 0.1}, {false, false, 4, 0, 0.1 + 4*0.9/5}, {false, false, 5, 3, half(0.05)}, {false, false, 50, 0, half(0.5)},
		{true, false, 2, 5, 0.1 + 2.5*0.9/5}, {true, false, 50, 5, half(0.505)},
		{false, true, 5, 0, 1}, {true, true, 52, 5, half(0.5)},
	} {
		s.OnUpdates, s.WarmupPrefix = c.onUpdates, c.prefix
		if got := s.At(c.epoch, c.step); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func newOptimizer(t *testing.T, c configs.Optim, params ...*ops.Param) *Optimizer {
	pool := kernels.NewPool(2)
	t.Cleanup(pool.Close)
	return NewOptimizer(c, params, pool)
}

// Decay on all parameters, or none on one-dimensional ones.
func TestWeightDecayGroups(t *testing.T) {
	for on, want := range map[string]float32{"all": 0.5, "no-1d": 1} {
		w, b := ops.NewParam("w", 2, 3), ops.NewParam("b", 3)
		for _, p := range []*ops.Param{w, b} {
			for i := range p.Data() {
				p.Data()[i] = 1
			}
		}
		o := newOptimizer(t, configs.Optim{WeightDecay: 5, WeightDecayOn: on, Betas: []float64{0.9, 0.999}, Eps: 1e-8}, w, b)
		o.Step(0.1, 1)
		if w.Data()[4] != 0.5 || b.Data()[2] != want {
			t.Errorf("%s: weights %v, bias %v, want 0.5 and %v", on, w.Data()[4], b.Data()[2], want)
		}
	}
}

// The groups of the pre-training presets are those of the official runs.
func TestPretrainingDecayGroups(t *testing.T) {
	for preset, file := range map[string]string{"mim_vit_base": "decay_groups_mim_vit_base.json", "mim_swin_base": "decay_groups_mim_swin_base.json"} {
		c, err := configs.Load(preset)
		if err != nil {
			t.Fatal(err)
		}
		var ref struct {
			Groups    map[string][2]float64 `json:"groups"`
			StateDict [][2]any              `json:"state_dict"`
		}
		golden.JSON(t, file, &ref)
		if len(ref.Groups) < 100 {
			t.Fatalf("%s: %d groups", file, len(ref.Groups))
		}
		for _, e := range ref.StateDict {
			name, dims := e[0].(string), len(e[1].([]any))
			want, learned := ref.Groups[name]
			got := 0.0
			if decays(name, dims, c.Optim.WeightDecayOn) {
				got = c.Optim.WeightDecay
			}
			if learned && got != want[1] {
				t.Errorf("%s: weight decay of %s is %v, want %v", preset, name, got, want[1])
			}
		}
	}
}

// Learning rate and weight decay of every parameter when an encoder is
// fine-tuned.
func TestLayerDecay(t *testing.T) {
	for name, on := range map[string]string{"vit_base": "no-1d-positions", "swin_base": "no-1d"} {
		c, err := configs.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if c.Optim.WeightDecayOn != on {
			t.Errorf("%s: weight decay on %s", name, c.Optim.WeightDecayOn)
		}
		heads := c.Model.NumHeads
		c.Model.EmbedDim = 4 // the names and dimensions are the same
		for i := range heads {
			heads[i] = 1
		}
		m, err := model.New(c, 10)
		if err != nil {
			t.Fatal(err)
		}
		var ref struct {
			LayerDecay map[string]map[string][2]float64 `json:"layer_decay"`
		}
		golden.JSON(t, "layer_decay_"+c.Model.Name+".json", &ref)
		found := false
		for value, want := range ref.LayerDecay {
			decay, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			found = found || decay == c.Optim.LayerDecay
			o := newOptimizer(t, c.Optim, m.Store().Params()...)
			o.DecayLayers(decay, m.(graph.Layered).LayerOf)
			got := map[string][2]float64{}
			for _, p := range o.parts {
				got[o.params[p.param].Name] = [2]float64{p.scale, p.decay}
			}
			if len(got) != len(want) {
				t.Errorf("%s: %d parameters, want %d", name, len(got), len(want))
			}
			for n, w := range want {
				if g, ok := got[n]; !ok || math.Abs(g[0]-w[0]) > 1e-14*w[0] || g[1] != w[1] {
					t.Errorf("%s, %s: %s has %v, want %v", name, value, n, g, w)
				}
			}
		}
		if !found {
			t.Errorf("%s: layer decay %v is not that of the reference", name, c.Optim.LayerDecay)
		}
	}
}

// The scale of a layer is that of its update and of its weight decay.
func TestLayerDecayStep(t *testing.T) {
	deep, last := ops.NewParam("deep", 1), ops.NewParam("last", 1)
	for _, p := range []*ops.Param{deep, last} {
		p.Data()[0], p.GradData()[0] = 1, 3
	}
	o := newOptimizer(t, configs.Optim{WeightDecay: 1, WeightDecayOn: "all", Betas: []float64{0.9, 0.999}, Eps: 1e-8}, deep, last)
	o.DecayLayers(0.5, func(name string) (int, int) { return map[string]int{"deep": 1, "last": 3}[name], 3 })
	o.Step(0.1, 1)
	for p, lr := range map[*ops.Param]float64{deep: 0.025, last: 0.1} {
		if got, want := float64(p.Data()[0]), 1-2*lr; math.Abs(got-want) > 1e-6 {
			t.Errorf("%s is %v, want %v", p.Name, got, want)
		}
	}
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
	if !a.better(b, "top1") || a.better(b, "loss") || !b.better(a, "loss") {
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

// Records later than the checkpoint are forgotten, and a line that was cut off.
func TestForget(t *testing.T) {
	f, err := OpenFolder(filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	c := configs.Default()
	if err := f.start(&c, Progress{}); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 6; i++ {
		if err := f.record(Record{Kind: StepRecord, Epoch: (i - 1) / 3, Step: (i-1)%3 + 1, Batches: i}); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			s := Score{Epoch: i/3 - 1, LR: 0.5}
			if err := errors.Join(f.record(Record{Kind: EpochRecord, Epoch: s.Epoch, Batches: i}), f.summarise(s, Record{})); err != nil {
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
	// The checkpoint was made before the second evaluation.
	if err := f.start(&c, Progress{Epoch: 1, Step: 3, Batches: 6}); err != nil {
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
