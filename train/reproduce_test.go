package train

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/internal/ramdisk"
)

// small has models of every family for images of 32 pixels.
var small = map[string]string{
	"fasternet": "model: {embed_dim: 16, depths: [1, 1], feature_dim: 32, patch_size: 2, patch_stride: 2, in_chans: " +
		"1, drop_path_rate: 0.2}\naugment: {mixup: 0.2, cutmix: 1}\n",
	"vit": "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, mlp_ratio: 2, in_chans: " +
		"1, drop_path_rate: 0.2}\n",
	"swin": "model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 4, mlp_ratio: " +
		"2, in_chans: 1, drop_path_rate: 0.2}\n",
	"localmim of a vit": "task: localmim\nmodel: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: " +
		"8, mlp_ratio: 2, in_chans: 1}\n" +
		"mim: {taps: [1, 2], scales: [4, 0.5], decoder_dim: 16, decoder_heads: 2, hog_bias: true}\n",
	"localmim of a swin": "task: localmim\nmodel: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: " +
		"[2, 4], window_size: 4, mlp_ratio: 2, in_chans: 1}\n" +
		"mim: {decoder_dim: 16, decoder_heads: 2, mask_ratio: 0.6, target: pixel}\n",
	"localmim of a fasternet": "task: localmim\nmodel: {embed_dim: 8, depths: [1, 1, 1], feature_dim: " +
		"32, patch_size: 2, patch_stride: 2, in_chans: 1}\n" +
		"mim: {decoder_dim: 16, decoder_heads: 2, nbins: 6, mask_block: 2}\n",
}

const smallTraining = `
data: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3]}
optim: {lr: 0.003}
sched: {form: localmim, warmup_epochs: 1, min_lr: 0}
train: {epochs: 2, batch_size: 16, val_batch_size: 20, log_interval: 1}
checkpoint: {every_steps: 2}
`

// noise makes a data set of 64 and 20 images.
func noise(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name string
		n    int
	}{{"train", 64}, {"t10k", 20}} {
		images := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 3}, uint32(c.n))
		images = append(images, 0, 0, 0, 28, 0, 0, 0, 28)
		for range c.n * 28 * 28 {
			images = append(images, byte(r.Uint32()))
		}
		labels := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, uint32(c.n))
		for i := range c.n {
			labels = append(labels, byte(i%10))
		}
		for _, test := range []struct {
			file    string
			content []byte
		}{{"images-idx3", images}, {"labels-idx1", labels}} {
			if err := os.WriteFile(filepath.Join(dir, c.name+"-"+test.file+"-ubyte"), test.content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func smallConfig(t *testing.T, model, data string, settings ...string) *configs.Config {
	t.Helper()
	c, err := configs.Parse("small", model+smallTraining, append(settings, "data.dir="+data)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stopper asks a run to stop after it has logged this many steps.
type stopper struct {
	left int
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	if strings.Contains(string(p), " step ") {
		if s.left--; s.left == 0 {
			s.stop()
		}
	}
	return len(p), nil
}

// finished runs a configuration, stops and resumes it after each of the given steps, and returns its last checkpoint.
func finished(t *testing.T, c *configs.Config, stops ...int) *checkpoints.File {
	t.Helper()
	dir := filepath.Join(ramdisk.Dir(t), "run")
	for _, n := range stops {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Run(ctx, c, Options{Dir: dir, Resume: true, Log: &stopper{n, cancel}})
		cancel()
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("stopped after %d steps: %v", n, err)
		}
	}
	if _, err := Run(context.Background(), c, Options{Dir: dir, Resume: true, Log: io.Discard}); err != nil {
		t.Fatal(err)
	}
	f, err := checkpoints.Read(filepath.Join(dir, "checkpoints", checkpoints.Last))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// differing names the first tensor, or else the progress, that differs between two checkpoints in any bit.
func differing(a, b *checkpoints.File) string {
	for _, x := range a.Tensors {
		y, ok := b.Lookup(x.Name)
		same := slices.EqualFunc(x.F32, y.F32, func(v, w float32) bool {
			return math.Float32bits(v) == math.Float32bits(w)
		})
		if !ok || !same || !slices.Equal(x.I64, y.I64) || !slices.Equal(x.Shape, y.Shape) {
			return x.Name
		}
	}
	if len(a.Tensors) != len(b.Tensors) {
		return "number of tensors"
	}
	if a.Meta[ProgressKey] != b.Meta[ProgressKey] {
		return ProgressKey
	}
	return ""
}

// One configuration and seed give the same weights, moments and losses to the last bit: with any number of
// threads, loader workers and prefetched batches, with or without interruptions and activation checkpointing.
// Another seed gives others.
func TestReproducible(t *testing.T) {
	data := noise(t)
	for _, name := range slices.Sorted(maps.Keys(small)) {
		model := small[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := finished(t, smallConfig(t, model, data, "threads=1", "data.workers=1"))
			for _, c := range []struct {
				settings []string
				stops    []int
			}{
				{[]string{"threads=2", "data.workers=3", "data.prefetch=1"}, nil},
				{[]string{"threads=4", "data.workers=2", "data.prefetch=7"}, nil},
				{[]string{"threads=2", "data.workers=1"}, []int{1, 3, 2}}, // in both epochs, and at the end of an epoch
				{[]string{"threads=1", "data.workers=4", "checkpoint.every_steps=0"}, []int{7}},
				{[]string{"threads=1", "train.grad_checkpointing=true"}, nil},
				{[]string{"threads=4", "train.grad_checkpointing=true"}, []int{2, 3}},
			} {
				got := finished(t, smallConfig(t, model, data, c.settings...), c.stops...)
				if what := differing(got, want); what != "" {
					t.Errorf("%v, stopped after %v: other bits in %s", c.settings, c.stops, what)
				}
			}
			other := smallConfig(t, model, data, "seed=9", "train.epochs=1", "sched.warmup_epochs=0")
			if differing(finished(t, other), want) == "" {
				t.Error("another seed, and the same weights")
			}
		})
	}
}

// A clock that is set back, stands still or jumps changes only the reported times.
func TestClock(t *testing.T) {
	data := noise(t)
	c := smallConfig(t, small["fasternet"], data, "threads=2")
	want := finished(t, c)
	defer func() { clock = time.Now }()
	for _, test := range []struct {
		name  string
		steps []time.Duration
	}{
		{"stands still", []time.Duration{0}},
		{"set back", []time.Duration{-time.Hour}},
		{"jumps", []time.Duration{time.Millisecond, 365 * 24 * time.Hour, -800 * 24 * time.Hour, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			at, n := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), 0
			clock = func() time.Time {
				at = at.Add(test.steps[n%len(test.steps)])
				n++
				return at
			}
			if what := differing(finished(t, c, 3), want); what != "" {
				t.Errorf("%s: other bits in %s", test.name, what)
			}
			if n < 10 {
				t.Errorf("%s: the clock was read %d times", test.name, n)
			}
		})
	}
	if got := fmt.Sprint(perSecond(3, 0), perSecond(3, -1), perSecond(3, 2*time.Second)); got != "0 0 1.5" {
		t.Error(got)
	}
}
