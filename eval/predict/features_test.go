package predict_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/data/picture"
	"fasternet/data/sets"
	"fasternet/eval/predict"
	"fasternet/formats/npy"
)

func extract(t *testing.T, in *predict.Inputs, batch int, which string, average bool) (*predict.Features, error) {
	t.Helper()
	return predict.Extract(t.Context(), newRunner(t), in, options(batch), which, average)
}

func TestExtract(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		writeImage(t, filepath.Join(dir, fmt.Sprint(i, ".png")), i+1)
	}
	in, err := predict.Open([]string{dir}, 3, picture.Decoding{})
	if err != nil {
		t.Fatal(err)
	}
	var found []map[string]predict.FeatureArray
	for _, batch := range []int{2, 5} {
		byName := map[string]predict.FeatureArray{}
		for _, which := range []string{predict.AllStages, predict.Pooled, predict.PreLogits} {
			f, err := extract(t, in, batch, which, false)
			if err != nil {
				t.Fatal(err)
			}
			if f.Count != 5 || len(f.Names) != 5 || f.Labels != nil {
				t.Fatalf("%+v", f)
			}
			for _, a := range f.Arrays {
				byName[a.Name] = a
			}
		}
		found = append(found, byName)
	}
	for _, c := range []struct {
		name  string
		shape []int
	}{
		{"stage1", []int{5, 8, 12, 12}},
		{"stage2", []int{5, 16, 6, 6}},
		{"stage3", []int{5, 32, 3, 3}},
		{"pooled", []int{5, 32}},
		{"prelogits", []int{5, 24}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := found[0][c.name], found[1][c.name]
			if !slices.Equal(a.Shape, c.shape) {
				t.Errorf("%s: shape %v, want %v", c.name, a.Shape, c.shape)
			}
			for i := range a.Values {
				if math.Abs(float64(a.Values[i]-b.Values[i])) > 1e-5*(1+math.Abs(float64(b.Values[i]))) {
					t.Fatalf("%s depends on the batch", c.name)
				}
			}
		})
	}
	// Averages the last map, under the name that the command has for it.
	name, err := predict.FeatureName("3")
	if err != nil {
		t.Fatal(err)
	}
	f, err := extract(t, in, 3, name, true)
	if err != nil {
		t.Fatal(err)
	}
	last, pooled := f.Arrays[0], found[0]["pooled"]
	if !slices.Equal(last.Shape, pooled.Shape) {
		t.Fatalf("shape %v", last.Shape)
	}
	for i, v := range last.Values {
		if math.Abs(float64(v-pooled.Values[i])) > 1e-5*(1+math.Abs(float64(v))) {
			t.Fatalf("mean %d of the last map is %v, pooled %v", i, v, pooled.Values[i])
		}
	}
	for _, test := range []struct{ stage, want string }{
		{"9", "no feature \"stage9\""},
		{"0", "want pooled"},
		{"last", "want pooled"},
	} {
		t.Run(test.stage, func(t *testing.T) {
			name, err := predict.FeatureName(test.stage)
			if err == nil {
				_, err = extract(t, in, 3, name, true)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("stage %s: %v, want %s", test.stage, err, test.want)
			}
		})
	}
}

// Maps of several sizes fit no array; their means do.
func TestSizesDiffer(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for _, side := range []int{48, 64} {
		var b bytes.Buffer
		if err := npy.Write(&b, []int{1, 3, side, 48}, make([]float32, 3*side*48)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprint(side, ".npy"))
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	in, err := predict.Open(paths, 3, picture.Decoding{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := extract(t, in, 4, "stage1", false); err == nil ||
		!strings.Contains(err.Error(), "--pool avg") ||
		!strings.Contains(err.Error(), "64.npy[0]") {
		t.Errorf("got %v", err)
	}
	if f, err := extract(t, in, 4, "stage1", true); err != nil || !slices.Equal(f.Arrays[0].Shape, []int{2, 8}) {
		t.Errorf("%+v, %v", f, err)
	}
}

// labelled is a data set of two pictures.
type labelled struct{ sets.Files }

func (labelled) Classes() []string { return []string{"cat", "dog"} }
func (labelled) Label(i int) int   { return 1 - i }

func TestFeatureFiles(t *testing.T) {
	dir := t.TempDir()
	files := sets.Files{writeImage(t, filepath.Join(dir, "a.png"), 1), writeImage(t, filepath.Join(dir, "b.png"), 2)}
	f, err := extract(t, predict.FromDataset(labelled{files}), 1, predict.AllStages, true)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "f.safetensors")
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	read, err := checkpoints.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	labels, _ := read.Lookup("labels")
	stage2, _ := read.Lookup("stage2")
	if !slices.Equal(labels.I64, []int64{1, 0}) ||
		!slices.Equal(stage2.Shape, []int{2, 16}) ||
		len(read.Tensors) != 4 ||
		read.Meta["classes"] != `["cat","dog"]` || !strings.Contains(read.Meta["files"], "b.png") {
		t.Errorf("%+v", read)
	}
	f.Arrays = f.Arrays[1:2]
	path = filepath.Join(dir, "f.npy")
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	a, err := npy.ReadFile(path)
	if err != nil || !slices.Equal(a.Shape, []int{2, 16}) {
		t.Fatalf("%v %v", a, err)
	}
	if !slices.Equal(a.F32, stage2.F32) {
		t.Error("the values differ")
	}
	names, _ := os.ReadFile(filepath.Join(dir, "f.csv"))
	want := fmt.Sprintf("row,file,label,class\n0,%s,1,dog\n1,%s,0,cat\n", files[0], files[1])
	if string(names) != want {
		t.Errorf("got %q, want %q", names, want)
	}
	for _, c := range []struct{ path, which, want string }{
		{"f.txt", predict.Pooled, ".npy or .safetensors"},
		{"f.npy", predict.AllStages, "holds one array"},
		{"f.NPY", predict.Pooled, ""}, {"f.safetensors", predict.AllStages, ""},
	} {
		err := predict.CheckFeaturesFile(c.path, c.which)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: %v", c.path, c.which, err)
		}
	}
}
