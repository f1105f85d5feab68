package train

import (
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/data/sets"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
)

// A teacher equal to the student's start gives the student's logits, whatever their normalisations, and a
// divergence of 0. Errors name what is wrong with a teacher.
func TestTeacher(t *testing.T) {
	dir := stripes(t, 24, 10)
	run := func(settings ...string) string {
		to := filepath.Join(t.TempDir(), "teacher")
		c := load(t, dir, append(settings, "train.epochs=1", "train.val_batch_size=10")...)
		if _, err := Run(context.Background(), c, Options{Dir: to, Log: io.Discard}); err != nil {
			t.Fatal(err)
		}
		return to
	}
	path := run("data.mean=[0.1]", "data.std=[0.5]")
	c := load(t, dir, "distill.type=soft", "distill.teacher="+path)
	pool := kernels.NewPool(1)
	defer pool.Close()
	train, err := sets.Open(t.Context(), c.Data, true)
	if err != nil {
		t.Fatal(err)
	}
	task, err := newClassification(c, train, train, pool)
	if err != nil {
		t.Fatal(err)
	}
	l, err := model.Open(path, model.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := graph.NewRunner(l.Model, pool).Program(graph.Shape{Batch: 8, Height: 32, Width: 32})
	if err != nil {
		t.Fatal(err)
	}
	pixels := make([]float32, 8*32*32)
	for i := range pixels {
		pixels[i] = float32(i%256) / 255
	}
	normalised := func(mean, std float32) []float32 {
		out := make([]float32, len(pixels))
		for i, v := range pixels {
			out[i] = (v - mean) / std
		}
		return out
	}
	want, err := own.Forward(normalised(0.1, 0.5))
	if err != nil {
		t.Fatal(err)
	}
	want = append([]float32(nil), want...)
	got, err := task.teacher.logits(&data.Batch{
		Images:   normalised(0.3, 0.3),
		Size:     8,
		Height:   32,
		Width:    32,
		Channels: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		if math.Abs(float64(got[i]-w)) > 1e-4 {
			t.Fatalf("logit %d is %v, want %v", i, got[i], w)
		}
	}
	averaged := run("ema.decay=0.9")
	for _, choice := range []torch.Choice{torch.Auto, torch.EMA, torch.Plain} {
		c.Distill.Teacher, c.Distill.Weights = averaged, string(choice)
		task, err := newClassification(c, train, train, pool)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range []torch.Choice{torch.EMA, torch.Plain} {
			l, err := model.Open(averaged, model.LoadOptions{Weights: other})
			if err != nil {
				t.Fatal(err)
			}
			folded, err := graph.ForInference(l.Model)
			if err != nil {
				t.Fatal(err)
			}
			teacher := task.teacher
			same := slices.Equal(numbers(teacher.runner.Model), numbers(folded))
			if teacher.average != (choice != torch.Plain) || same != (teacher.average == (other == torch.EMA)) {
				t.Errorf("distill.weights %s: averaged %v; weights as with --weights %s: %v",
					choice, teacher.average, other, same)
			}
		}
	}
	rgb := run("model.in_chans=3", "data.mean=[0.3, 0.3, 0.3]", "data.std=[0.3, 0.3, 0.3]")
	many := run("model.num_classes=12")
	broken := filepath.Join(t.TempDir(), "broken.safetensors")
	if err := os.WriteFile(broken, []byte("no weights"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, teacher, want string }{
		{"other channels", rgb, "3 channels, the student takes 1"},
		{"other classes", many, "12 classes, the student has 10"},
		{"not weights", broken, "broken.safetensors"},
		{"no file", filepath.Join(dir, "none"), "none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.Distill.Teacher = test.teacher
			_, err := newClassification(c, train, train, pool)
			if err == nil ||
				!strings.HasPrefix(err.Error(), "distill.teacher: ") ||
				!strings.Contains(err.Error(), test.want) {
				t.Errorf("teacher %s: %v", test.teacher, err)
			}
		})
	}
	c.Distill.Teacher = path
	if _, err := newClassification(c, renamed{train}, train, pool); err == nil ||
		!strings.Contains(err.Error(), `in the teacher and "other" in the data set`) {
		t.Errorf("a teacher of other classes: %v", err)
	}
	// A teacher with another order of classes answers in the student's order.
	if task, err = newClassification(c, reordered{train}, train, pool); err != nil {
		t.Fatal(err)
	}
	moved, err := task.teacher.logits(&data.Batch{
		Images:   normalised(0.3, 0.3),
		Size:     8,
		Height:   32,
		Width:    32,
		Channels: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	for k := range 8 {
		for i := range 10 {
			if w := want[10*k+9-i]; math.Abs(float64(moved[10*k+i]-w)) > 1e-4 {
				t.Fatalf("image %d: logit %d is %v, want %v", k, i, moved[10*k+i], w)
			}
		}
	}
	if note := task.teacher.note; !strings.Contains(note, "matched by name") {
		t.Errorf("note %q", note)
	}
}

// reordered is a data set with its classes in reverse order.
type reordered struct{ data.Dataset }

func (r reordered) Classes() []string {
	names := slices.Clone(r.Dataset.Classes())
	slices.Reverse(names)
	return names
}

// numbers returns all numbers of a model in evaluation form.
func numbers(m graph.Model) (all []float32) {
	for _, p := range m.Store().Params() {
		all = append(all, p.Data()...)
	}
	return all
}

// renamed is a data set whose first class has a different name.
type renamed struct{ data.Dataset }

func (r renamed) Classes() []string {
	return append([]string{"other"}, r.Dataset.Classes()[1:]...)
}
