package probe_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/eval/probe"
	"fasternet/kernels"
)

func ExampleLinear() {
	pool := kernels.NewPool(0)
	defer pool.Close()
	o := probe.LinearOptions{Epochs: 10, Batch: 64, BaseLR: 1, Optimizer: probe.SGD}
	_, epochs, err := probe.Linear(context.Background(), pool, probe.Always(cloud(1, 300, 8, 3, 0.1)),
		cloud(2, 90, 8, 3, 0.1), o)
	fmt.Println(epochs[9].Number, epochs[9].Val.Top1, err)
	// Output: 10 100 <nil>
}

func TestLinearSeparable(t *testing.T) {
	train, val := cloud(1, 600, 40, 10, 0.3), cloud(2, 200, 40, 10, 0.3)
	for _, c := range []struct {
		optimizer string
		lr        float64
	}{{probe.SGD, 0.5}, {probe.LARS, 30}} {
		o := probe.LinearOptions{Epochs: 40, WarmupEpochs: 4, Batch: 128, BaseLR: c.lr, Optimizer: c.optimizer, Seed: 3}
		var reported []probe.Epoch
		o.Report = func(e probe.Epoch) { reported = append(reported, e) }
		head, epochs, err := probe.Linear(t.Context(), newPool(t, 2), probe.Always(train), val, o)
		if err != nil {
			t.Fatal(err)
		}
		last := epochs[len(epochs)-1]
		if last.Val.Top1 != 100 ||
			last.Val.Count != 200 ||
			last.Loss > 0.5*epochs[0].Loss ||
			len(epochs) != 40 ||
			!reflect.DeepEqual(reported, epochs) {
			t.Errorf("%s: %+v, first %+v", c.optimizer, last, epochs[0])
		}
		// 4 steps an epoch, at half the rate for 256; the images that do not fill a batch are left out.
		if got, want := epochs[0].LR, c.lr/2*3/4/4; got < want*0.999 || got > want*1.001 {
			t.Errorf("%s: rate %v at the end of the first epoch, want %v", c.optimizer, got, want)
		}
		// The results are equal for any number of threads, and differ for another seed.
		again, other, err := probe.Linear(t.Context(), newPool(t, 3), probe.Always(train), val, o)
		if err != nil || !reflect.DeepEqual(again, head) || !reflect.DeepEqual(other, epochs) {
			t.Errorf("%s: depends on the number of threads (%v)", c.optimizer, err)
		}
		o.Seed++
		if head, _, err := probe.Linear(t.Context(), newPool(t, 2), probe.Always(train), val, o); err != nil ||
			reflect.DeepEqual(again.Weight, head.Weight) {
			t.Errorf("%s: does not depend on the seed (%v)", c.optimizer, err)
		}
	}
}

// Linear asks for the features of an epoch once, in order.
func TestLinearEpochs(t *testing.T) {
	val := cloud(2, 20, 4, 3, 1)
	var asked []int
	o := probe.LinearOptions{Epochs: 3, Batch: 8, BaseLR: 0.1, Optimizer: probe.SGD}
	_, _, err := probe.Linear(t.Context(), newPool(t, 1), func(epoch int) (*probe.Set, error) {
		asked = append(asked, epoch)
		return cloud(uint64(epoch), 20+epoch, 4, 3, 1), nil
	}, val, o)
	if err != nil || fmt.Sprint(asked) != "[0 1 2]" {
		t.Errorf("asked for %v, %v", asked, err)
	}
	broken := errors.New("broken")
	_, _, err = probe.Linear(t.Context(), newPool(t, 1), func(int) (*probe.Set, error) { return nil, broken }, val, o)
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err = probe.Linear(ctx, newPool(t, 1), probe.Always(val), val, o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestLinearBadOptions(t *testing.T) {
	train, val := cloud(1, 50, 4, 3, 1), cloud(2, 12, 4, 3, 1)
	for _, c := range []struct {
		want   string
		change func(o *probe.LinearOptions)
	}{
		{"0 epochs", func(o *probe.LinearOptions) { o.Epochs = 0 }},
		{"90 warm-up epochs of 90 epochs in all", func(o *probe.LinearOptions) { o.WarmupEpochs = 90 }},
		{"-1 warm-up epochs", func(o *probe.LinearOptions) { o.WarmupEpochs = -1 }},
		{"1 images per step: want 2", func(o *probe.LinearOptions) { o.Batch = 1 }},
		{"learning rate 0", func(o *probe.LinearOptions) { o.BaseLR = 0 }},
		{"optimizer \"adam\": want lars", func(o *probe.LinearOptions) { o.Optimizer = "adam" }},
		{"want a smaller learning rate", func(o *probe.LinearOptions) {
			o.BaseLR, o.Optimizer, o.WarmupEpochs = 1e39, probe.SGD, 1
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			o := probe.DefaultLinear()
			c.change(&o)
			_, _, err := probe.Linear(t.Context(), newPool(t, 1), probe.Always(train), val, o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	one := cloud(1, 1, 4, 3, 1)
	_, _, err := probe.Linear(t.Context(), newPool(t, 1), probe.Always(one), val, probe.DefaultLinear())
	if err == nil || !strings.Contains(err.Error(), "one training image") {
		t.Errorf("one image: %v", err)
	}
	o := probe.DefaultLinear()
	if o.Short(60000) || !o.Short(600) {
		t.Error("60,000 images are enough for LARS, 600 are not")
	}
}

func TestHeadFile(t *testing.T) {
	o := probe.LinearOptions{Epochs: 1, Batch: 8, BaseLR: 0.1, Optimizer: probe.SGD}
	head, _, err := probe.Linear(t.Context(), newPool(t, 1), probe.Always(cloud(1, 20, 4, 3, 1)),
		cloud(2, 20, 4, 3, 1), o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "head.safetensors")
	if err := head.Write(path, map[string]string{"classes": "[]"}); err != nil {
		t.Fatal(err)
	}
	f, err := checkpoints.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := f.Lookup("head.1.weight")
	v, _ := f.Lookup("head.0.running_var")
	if fmt.Sprint(w.Shape, v.Shape) != "[3 4] [4]" ||
		!reflect.DeepEqual(w.F32, head.Weight) ||
		f.Meta["classes"] != "[]" {
		t.Errorf("%v %v", w, v)
	}
}
