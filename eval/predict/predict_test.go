package predict_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/data/picture"
	"fasternet/data/preprocess"
	"fasternet/eval/predict"
	"fasternet/formats"
	"fasternet/formats/npy"
	"fasternet/graph"
	_ "fasternet/graph/families"
	"fasternet/graph/fasternet"
	"fasternet/kernels"
)

var small = configs.Data{
	ImageSize:     48,
	TestCropRatio: 1,
	Interpolation: "bicubic",
	Mean:          []float64{0.5, 0.4, 0.3},
	Std:           []float64{0.2, 0.3, 0.4},
}

func newRunner(t testing.TB) *graph.Runner {
	c := configs.Default().Model
	configs.Change(&c, func(a *fasternet.Config) { a.EmbedDim, a.Depths, a.FeatureDim = 8, []int{1, 1, 1}, 24 })
	c.NumClasses, c.InitStd = 4, 0.3
	m, err := fasternet.New(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(2)
	t.Cleanup(pool.Close)
	return graph.NewRunner(m, pool)
}

func options(batch int) predict.Options {
	return predict.Options{Transform: preprocess.Evaluation(small, 3), Batch: batch, Workers: 2}
}

// writeImage writes an image whose colours depend on i, of different sizes.
func writeImage(t testing.TB, path string, i int) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 48+i%3, 48+i%5))
	for p := range m.Bounds().Dx() * m.Bounds().Dy() {
		m.Set(p%m.Bounds().Dx(), p/m.Bounds().Dx(), color.RGBA{uint8(p*i + i), uint8(40 * i), uint8(p), 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// silent ignores what it gets.
type silent struct{}

func (silent) Write(string, []predict.Guess) error { return nil }
func (silent) Close() error                        { return nil }

func logits(t *testing.T, r *graph.Runner, batch int, paths ...string) *predict.Logits {
	t.Helper()
	in, err := predict.Open(paths, 3, picture.Decoding{})
	if err != nil {
		t.Fatal(err)
	}
	keep := &predict.Logits{}
	if _, err := predict.Classify(t.Context(), r, in, options(batch), top(1, nil), silent{}, keep); err != nil {
		t.Fatal(err)
	}
	return keep
}

// planes returns the output of the transform, one plane after the other.
func planes(t *testing.T, path string) []float32 {
	t.Helper()
	m, err := picture.ReadImage(path)
	if err != nil {
		t.Fatal(err)
	}
	pixels := make([]float32, 48*48*3)
	if err := preprocess.Evaluation(small, 3).Apply(m, nil, pixels); err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(pixels))
	for i, v := range pixels {
		out[i%3*48*48+i/3] = v
	}
	return out
}

func ExampleTopK() {
	for _, g := range predict.TopK([]float32{0, 2, 1, 2}, 3, []string{"cat", "dog", "eel"}) {
		fmt.Printf("%d %s %.3f\n", g.Index, g.Label, g.Prob)
	}
	// Output:
	// 1 dog 0.399
	// 2 eel 0.147
	// 0 cat 0.054
}

// An output without a name is not a class.
func TestTopKOfNamedClasses(t *testing.T) {
	logits := []float32{1, 5, 3, 4}
	for _, c := range []struct {
		name  string
		names []string
		want  string
		note  string
	}{
		{"all", []string{"a", "b", "c", "d"}, "[1b 3d 2c 0a]", ""},
		{"more outputs than classes", []string{"a", "b"}, "[1b 0a]",
			"the model has 4 outputs, but names for only 2: the others are not listed"},
		{"a class between without a name", []string{"a", "", "c", "d"}, "[3d 2c 0a]",
			"4 outputs, but names for only 3"},
		{"more names than outputs", []string{"a", "b", "c", "d", "e"}, "[1b 3d 2c 0a]", ""},
		{"none", nil, "[11 33 22 00]",
			"the model has no names for its classes: they are listed by their numbers"},
		{"empty names", []string{""}, "[11 33 22 00]", "listed by their numbers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, g := range predict.TopK(logits, 4, c.names) {
				got = append(got, fmt.Sprintf("%d%s", g.Index, g.Label))
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("%v, want %s", got, c.want)
			}
			if note := predict.DescribeNames(len(logits), c.names); !strings.Contains(note, c.note) ||
				(note == "") != (c.note == "") {
				t.Errorf("note %q, want %q", note, c.note)
			}
			if p := predict.TopK(logits, 1, c.names)[0].Prob; c.note == "" && math.Abs(p-0.6572) > 1e-4 {
				t.Errorf("probability %v", p)
			}
		})
	}
}

func TestTopK(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		logits []float32
		k      int
		want   string
	}{
		{[]float32{1}, 5, "[0]"},
		{[]float32{1, 1, 1}, 2, "[0 1]"},
		{[]float32{1000, -1000, 999}, 3, "[0 2 1]"},
		{[]float32{nan, 3, nan, 4}, 3, "[3 1 0]"},
		{[]float32{1, inf}, 1, "[1]"},
	} {
		var got []int
		sum := 0.0
		for _, g := range predict.TopK(c.logits, c.k, nil) {
			got = append(got, g.Index)
			sum += g.Prob
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%v: %v, want %s", c.logits, got, c.want)
		}
		if c.k >= len(c.logits) && !math.IsNaN(sum) && math.Abs(sum-1) > 1e-12 {
			t.Errorf("%v: probabilities add up to %v", c.logits, sum)
		}
	}
}

// Images, and arrays of the same images after the transform, have the same logits, in the
// order of the inputs, for any size of batch.
func TestArraysAreImages(t *testing.T) {
	r, dir := newRunner(t), t.TempDir()
	var paths []string
	var all []float32
	for i := range 5 {
		paths = append(paths, writeImage(t, filepath.Join(dir, "p", fmt.Sprint(i, ".png")), i+1))
		all = append(all, planes(t, paths[i])...)
	}
	tensors := filepath.Join(dir, "x.safetensors")
	if err := checkpoints.Write(tensors, checkpoints.File{Tensors: []formats.Tensor{
		{Name: "input", Shape: []int{5, 3, 48, 48}, F32: all},
		{Name: "labels", Shape: []int{1}, I64: []int64{1}}}}); err != nil {
		t.Fatal(err)
	}
	arrayFile := filepath.Join(dir, "x.npy")
	err := checkpoints.WriteAtomic(arrayFile, func(w io.Writer) error {
		return npy.Write(w, []int{2, 3, 48, 48}, all[:2*3*48*48])
	})
	if err != nil {
		t.Fatal(err)
	}
	want := logits(t, r, 2, filepath.Join(dir, "p"))
	if len(want.Values) != 20 || !slices.Equal(want.Names, paths) || slices.Equal(want.Values[:4], want.Values[4:8]) {
		t.Fatalf("%+v", want)
	}
	for _, batch := range []int{1, 3, 100} {
		got := logits(t, r, batch, arrayFile, paths[4], paths[2], tensors)
		expected := slices.Concat(want.Values[:8], want.Values[16:20], want.Values[8:12], want.Values)
		for i, v := range got.Values {
			if d := math.Abs(float64(v - expected[i])); d > 1e-5*(1+math.Abs(float64(v))) {
				t.Fatalf("batch %d: logit %d is %v, want %v", batch, i, v, expected[i])
			}
		}
		if len(got.Names) != 9 ||
			got.Names[1] != arrayFile+"[1]" ||
			got.Names[2] != paths[4] ||
			got.Names[8] != tensors+"[4]" {
			t.Errorf("names %v", got.Names)
		}
	}
	path := filepath.Join(dir, "l.safetensors")
	if err := want.Write(path, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	f, err := checkpoints.Read(path)
	if err != nil || f.Meta["classes"] != `["a"]` || !strings.HasPrefix(f.Meta["files"], `["`) {
		t.Fatalf("%v %v", f, err)
	}
	if l, ok := f.Lookup("logits"); !ok || !slices.Equal(l.F32, want.Values) || !slices.Equal(l.Shape, []int{5, 4}) {
		t.Errorf("logits %+v", l)
	}
}

func TestFormats(t *testing.T) {
	r, dir := newRunner(t), t.TempDir()
	a, b := writeImage(t, filepath.Join(dir, "one, two.png"), 1), writeImage(t, filepath.Join(dir, "b.png"), 2)
	nan := filepath.Join(dir, "nan.npy")
	values := make([]float32, 3*40*56)
	values[7] = float32(math.NaN())
	f, err := os.Create(nan)
	if err != nil {
		t.Fatal(err)
	}
	if err := npy.Write(f, []int{1, 3, 40, 56}, values); err != nil {
		t.Fatal(err)
	}
	f.Close()
	in, err := predict.Open([]string{a, b, nan}, 3, picture.Decoding{})
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][]string{}
	for _, format := range predict.Formats {
		var out bytes.Buffer
		w, err := predict.NewWriter(&out, format, in, []string{"cat", "dog"})
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		o := options(2)
		o.Progress = func(n, total int) { done = 10*total + n }
		result, err := predict.Classify(t.Context(), r, in, o, top(2, []string{"cat", "dog"}), w, nil)
		if err != nil || result.Count != 3 || done != 33 || !slices.Equal(result.NotFinite, []string{nan + "[0]"}) {
			t.Fatalf("%+v, %v, %d done", result, err, done)
		}
		lines[format] = strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	if l := lines["table"]; len(l) != 7 ||
		!strings.HasPrefix(l[0], "file ") ||
		!strings.HasPrefix(l[1], a) ||
		strings.Contains(l[2], ".png") ||
		!strings.HasSuffix(l[5], "NaN") {
		t.Errorf("table:\n%s", strings.Join(l, "\n"))
	}
	if l := lines["csv"]; len(l) != 7 ||
		l[0] != "file,rank,index,label,prob" ||
		!strings.HasPrefix(l[1], `"`+a+`",1,`) ||
		!strings.HasPrefix(l[4], b+",2,") {
		t.Errorf("csv:\n%s", strings.Join(l, "\n"))
	}
	if l := lines["jsonl"]; len(l) != 3 {
		t.Errorf("jsonl:\n%s", strings.Join(l, "\n"))
	} else {
		var v struct {
			File        string
			Predictions []struct {
				Index int
				Label string
				Prob  *float64
			}
		}
		for i, name := range []string{a, b, nan + "[0]"} {
			v.Predictions = nil
			if err := json.Unmarshal([]byte(l[i]), &v); err != nil ||
				v.File != name ||
				len(v.Predictions) != 2 ||
				(v.Predictions[0].Prob == nil) != (i == 2) {
				t.Errorf("%s: %v", l[i], err)
			}
		}
	}
	if _, err := predict.NewWriter(nil, "xml", in, nil); err == nil {
		t.Error("format xml")
	}
}

func TestBadInputs(t *testing.T) {
	r, dir := newRunner(t), t.TempDir()
	write := func(name string, raw []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	array := func(name string, shape ...int) string {
		n := 1
		for _, d := range shape {
			n *= d
		}
		var b bytes.Buffer
		if err := npy.Write(&b, shape, make([]float32, n)); err != nil {
			t.Fatal(err)
		}
		return write(name, b.Bytes())
	}
	empty := filepath.Join(dir, "empty")
	os.Mkdir(empty, 0o755)
	good := writeImage(t, filepath.Join(dir, "good.png"), 1)
	torn := write("torn.png", []byte("\x89PNG\r\n\x1a\n and no more"))
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{nil, "no images"},
		{[]string{filepath.Join(dir, "none.jpg")}, "none.jpg: no such file"},
		{[]string{empty}, "empty: no images"},
		{[]string{good, torn}, "torn.png"},
		{[]string{write("x.txt", []byte("hello"))}, "a text file, not an image"},
		{[]string{write("x.npy", []byte("hello"))}, "x.npy: not a .npy file"},
		{[]string{write("x.safetensors", []byte("hello there"))}, "x.safetensors: "},
		{[]string{array("grey.npy", 2, 1, 48, 48)}, "shape [2 1 48 48]: want [images, 3 channels"},
		{[]string{array("flat.npy", 3, 48, 48)}, "flat.npy: shape [3 48 48]"},
		{[]string{array("tiny.npy", 1, 3, 48, 3)}, "tiny.npy: graph: batch 1 of 48×3 images"},
	} {
		in, err := predict.Open(c.paths, 3, picture.Decoding{})
		if err == nil {
			_, err = predict.Classify(t.Context(), r, in, options(4), top(1, nil), silent{}, nil)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.paths, err, c.want)
		}
	}
	o := options(4)
	o.SkipBad = true
	in, err := predict.Open([]string{torn, good, torn}, 3, picture.Decoding{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := predict.Classify(t.Context(), r, in, o, top(1, nil), silent{}, nil)
	if err != nil || result.Count != 1 || len(result.Skipped) != 2 || result.Skipped[0].Name != torn {
		t.Errorf("%+v, %v", result, err)
	}
	if in, err = predict.Open([]string{torn}, 3, picture.Decoding{}); err != nil {
		t.Fatal(err)
	}
	if _, err = predict.Classify(t.Context(), r, in, o, top(1, nil), silent{}, nil); err == nil ||
		!strings.Contains(err.Error(), "the only image cannot be read") {
		t.Errorf("all bad: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in, _ = predict.Open([]string{array("ok.npy", 1, 3, 48, 48)}, 3, picture.Decoding{})
	if _, err = predict.Classify(ctx, r, in, o, top(1, nil), silent{}, nil); err == nil {
		t.Error("a cancelled run succeeds")
	}
}

// top returns the k most probable classes of an image.
func top(k int, names []string) func([]float32) []predict.Guess {
	return func(logits []float32) []predict.Guess { return predict.TopK(logits, k, names) }
}
