package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
	"fasternet/internal/golden"
)

// feature returns an intermediate value of the last run.
func feature(t *testing.T, p *graph.Program, name string) ([]float32, []int) {
	t.Helper()
	values, shape, err := p.Feature(name)
	if err != nil {
		t.Fatal(err)
	}
	return values, shape
}

// The maps of the stages and the input of the last layer equal the reference, also in the folded form.
func TestFeaturesOfReference(t *testing.T) {
	const name = "fasternet_small_gelu"
	var ref reference
	golden.JSON(t, name+".json", &ref)
	want := golden.Tensors(t, name+".safetensors")
	c := ref.Config
	images := golden.ToNHWC(
		golden.Image("input", c.Seed, c.Batch*3*c.Image[0]*c.Image[1]), c.Batch, 3, c.Image[0], c.Image[1],
	)
	m := newModel(t, ref, c.Seed)
	folded, err := m.Fold()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		form string
		m    graph.Model
	}{{"model", m}, {"folded", folded}} {
		t.Run(test.form, func(t *testing.T) {
			p, err := newRunner(t, test.m).Features(graph.Shape{Batch: c.Batch, Height: c.Image[0], Width: c.Image[1]})
			if err != nil {
				t.Fatal(err)
			}
			logits, err := p.Forward(images)
			if err != nil {
				t.Fatal(err)
			}
			golden.CheckRel(t, test.form+": logits", logits, want["eval_logits"].Data, 3e-5)
			for i := range 4 {
				got, shape := feature(t, p, fmt.Sprint("stage", i+1))
				w := want[fmt.Sprint("act/stages.", 2*i)]
				if wantShape := []int{c.Batch, w.Shape[2], w.Shape[3], w.Shape[1]}; !slices.Equal(shape, wantShape) {
					t.Fatalf("%s: stage %d has shape %v, want %v", test.form, i+1, shape, wantShape)
				}
				first := golden.ToNHWC(w.Data, 1, w.Shape[1], w.Shape[2], w.Shape[3])
				golden.CheckRel(t, fmt.Sprint(test.form, ": stage ", i+1), got[:len(first)], first, 3e-5)
			}
			pre, shape := feature(t, p, "prelogits")
			golden.CheckRel(t, test.form+": prelogits", pre[:shape[1]], want["act/avgpool_pre_head"].Data, 3e-5)
		})
	}
}

// Features are consistent, also for images that are not square: the last map, its mean, and the
// logits.
func TestFeaturesAgree(t *testing.T) {
	t.Parallel()
	c, err := configs.Load("fasternet_t0")
	if err != nil {
		t.Fatal(err)
	}
	m, err := fasternet.New(c.Model, 5)
	if err != nil {
		t.Fatal(err)
	}
	graphtest.Fill(m.Store(), 5)
	r := newRunner(t, m)
	for _, size := range [][2]int{{224, 224}, {256, 320}} {
		s := graph.Shape{Batch: 2, Height: size[0], Width: size[1]}
		p, err := r.Features(s)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := r.Features(s); again != p {
			t.Error("compiled twice")
		}
		if got := strings.Join(p.FeatureNames(), " "); got != "stage1 stage2 stage3 stage4 pooled prelogits" {
			t.Errorf("features %s", got)
		}
		images := golden.Image("x", 1, 2*size[0]*size[1]*3)
		plain, err := program(t, r, s).Forward(images)
		if err != nil {
			t.Fatal(err)
		}
		plain = slices.Clone(plain)
		logits, err := p.Forward(images)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(plain, logits) {
			t.Error("keeping features changes the logits")
		}
		for i := range 4 {
			side := 4 << i
			if _, shape := feature(t, p, fmt.Sprint("stage", i+1)); !slices.Equal(
				shape, []int{2, size[0] / side, size[1] / side, 40 << i},
			) {
				t.Errorf("%v: stage %d has shape %v", size, i+1, shape)
			}
		}
		last, shape := feature(t, p, "stage4")
		pixels, channels := shape[1]*shape[2], shape[3]
		means := make([]float32, 2*channels)
		for b := range 2 {
			for c := range channels {
				var sum float64
				for q := range pixels {
					sum += float64(last[(b*pixels+q)*channels+c])
				}
				means[b*channels+c] = float32(sum / float64(pixels))
			}
		}
		pooled, _ := feature(t, p, "pooled")
		golden.CheckRel(t, "pooled", pooled, means, 1e-5)

		pre, shape := feature(t, p, "prelogits")
		if !slices.Equal(shape, []int{2, 1280}) {
			t.Fatalf("prelogits have shape %v", shape)
		}
		weight, _ := m.Store().Lookup("head.weight")
		bias, _ := m.Store().Lookup("head.bias")
		again := make([]float32, len(logits))
		for b := range 2 {
			for k := range 1000 {
				sum := float64(bias.Param.Data()[k])
				for i, v := range pre[b*1280 : (b+1)*1280] {
					sum += float64(v) * float64(weight.Param.Data()[k*1280+i])
				}
				again[b*1000+k] = float32(sum)
			}
		}
		golden.CheckRel(t, "head of prelogits", again, logits, 2e-5)
	}
	p, _ := r.Features(graph.Shape{Batch: 1, Height: 224, Width: 224})
	if _, _, err := p.Feature("stage5"); err == nil || !strings.Contains(err.Error(), "stage4") {
		t.Errorf("a feature that is not there: %v", err)
	}
	if _, err := r.Features(graph.Shape{
		Batch:  1,
		Height: 224,
		Width:  30,
	}); err == nil || !strings.Contains(err.Error(), "224×30") {
		t.Errorf("too small: %v", err)
	}
}
