package probe_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/eval/probe"
	"fasternet/kernels"
)

func newPool(t *testing.T, workers int) *kernels.Pool {
	t.Helper()
	p := kernels.NewPool(workers)
	t.Cleanup(p.Close)
	return p
}

// names returns the names of n classes.
func names(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint("class ", i))
	}
	return out
}

// cloud returns random features around a centre for each class. spread is their distance from
// the centre, by the distance of the centres from each other.
func cloud(seed uint64, images, width, classes int, spread float64) *probe.Set {
	r, centres := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(0, 0))
	c := make([]float64, classes*width)
	for i := range c {
		c[i] = centres.NormFloat64()
	}
	s := &probe.Set{Width: width, Classes: names(classes)}
	for i := range images {
		label := i * 7 % classes
		s.Labels = append(s.Labels, label)
		for j := range width {
			s.Values = append(s.Values, float32(c[label*width+j]+spread*r.NormFloat64()))
		}
	}
	return s
}

func ExampleKNN() {
	pool := kernels.NewPool(0)
	defer pool.Close()
	classes := []string{"right", "up"}
	train := &probe.Set{Width: 2, Classes: classes, Labels: []int{0, 0, 1}, Values: []float32{2, 0, 9, 1, 0, 3}}
	val := &probe.Set{Width: 2, Classes: classes, Labels: []int{0, 1}, Values: []float32{5, 1, 1, 4}}
	votes, err := probe.KNN(context.Background(), pool, train, val,
		probe.KNNOptions{K: []int{1, 3}, Temperature: probe.Temperature})
	fmt.Println(votes, err)
	// Output: [{1 100 100} {3 100 100}] <nil>
}

// Other parts of the program rely on these messages.
func TestBadSets(t *testing.T) {
	pool := newPool(t, 1)
	for _, c := range []struct {
		want   string
		change func(train, val *probe.Set)
	}{
		{"training images: the images are not labelled", func(s, _ *probe.Set) { s.Labels = nil }},
		{"validation images: there are no images", func(_, v *probe.Set) { v.Labels, v.Values = nil, nil }},
		{"image 3 is not labelled: -1 is not one of the 3 classes", func(s, _ *probe.Set) { s.Labels[3] = -1 }},
		{"image 2 is not labelled: 3 is not", func(_, v *probe.Set) { v.Labels[2] = 3 }},
		{"image 1 has a feature that is NaN", func(s, _ *probe.Set) { s.Values[5] = float32(math.NaN()) }},
		{"image 0 has a feature that is NaN or infinite", func(_, v *probe.Set) { v.Values[0] = float32(math.Inf(1)) }},
		{"want 4 features for each of 12 images, got 49", func(s, _ *probe.Set) { s.Values = append(s.Values, 1) }},
		{"want 2 classes or more to tell apart, got 1", func(s, _ *probe.Set) { s.Classes = names(1) }},
		{"only in the validation images: \"class 3\"", func(_, v *probe.Set) { v.Classes = names(4) }},
		{"class 1 is \"class 1\" in the training images and \"x\" in the validation", func(_, v *probe.Set) {
			v.Classes = []string{"class 0", "x", "class 2"}
		}},
		{"training images have 4 features, validation images 5: want both from", func(_, v *probe.Set) {
			*v = *cloud(2, 12, 5, 3, 1)
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			train, val := cloud(1, 12, 4, 3, 1), cloud(2, 12, 4, 3, 1)
			c.change(train, val)
			_, err := probe.KNN(t.Context(), pool, train, val, probe.KNNOptions{K: []int{1}, Temperature: 1})
			_, _, err2 := probe.Linear(t.Context(), pool, probe.Always(train), val, probe.DefaultLinear())
			for _, err := range []error{
				err, err2,
				probe.Dump(filepath.Join(t.TempDir(), "x.safetensors"), &probe.Dumped{Train: train, Val: val}),
			} {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			}
		})
	}
}

func TestFew(t *testing.T) {
	s := cloud(1, 50, 3, 4, 1) // the classes have 13, 13, 12 and 12 images
	a, b, other := s.Few(5, 1), s.Few(5, 1), s.Few(5, 2)
	counts := make([]int, 4)
	for _, l := range a.Labels {
		counts[l]++
	}
	if !slices.Equal(counts, []int{5, 5, 5, 5}) ||
		!reflect.DeepEqual(a, b) ||
		reflect.DeepEqual(a.Values, other.Values) {
		t.Errorf("%v of each class", counts)
	}
	if err := a.Validate(); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(s.Few(13, 1), s) {
		t.Error("all images are not the set itself")
	}
}

func TestDump(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.safetensors")
	d := &probe.Dumped{Train: cloud(1, 20, 5, 3, 1), Val: cloud(2, 9, 5, 3, 1), Model: "m", Which: "pooled"}
	if err := probe.Dump(path, d); err != nil {
		t.Fatal(err)
	}
	got, err := probe.Load(path)
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, c := range []struct {
		want   string
		change func(f *checkpoints.File)
	}{
		{"got format \"\"", func(f *checkpoints.File) { delete(f.Meta, "format") }},
		{"names of classes", func(f *checkpoints.File) { f.Meta["classes"] = "[" }},
		{"want a tensor val.features", func(f *checkpoints.File) { f.Tensors = f.Tensors[:3] }},
		{"want a tensor train.labels [20] of int64", func(f *checkpoints.File) {
			f.Tensors[0] = f.Tensors[2]
			f.Tensors[0].Name = "train.labels"
		}},
		{"training images have 5 features, validation images 4", func(f *checkpoints.File) {
			f.Tensors[3].Shape, f.Tensors[3].F32 = []int{9, 4}, f.Tensors[3].F32[:36]
		}},
		{"image 4 is not labelled: 1099511627776 is not", func(f *checkpoints.File) {
			f.Tensors[0].I64 = slices.Clone(f.Tensors[0].I64)
			f.Tensors[0].I64[4] = 1 << 40
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			f, err := checkpoints.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			c.change(f)
			bad := filepath.Join(t.TempDir(), "bad.safetensors")
			if err := checkpoints.Write(bad, *f); err != nil {
				t.Fatal(err)
			}
			if _, err := probe.Load(bad); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
