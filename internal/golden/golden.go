// Package golden gives tests the reference values that the authors' own code computed: tensors from
// files, and the weights and inputs that belong to them, which a formula defines.
package golden

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/internal/disk"
	"fasternet/internal/rng"

	"fasternet/formats/safetensors"
)

// dirs are the folders of the files, relative to the root of the module: a full set next to the
// checkout, or the files in the checkout that the tests need.
var dirs = []string{"../shared/golden", "testdata/golden"}

// root returns the folder of the module.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("golden: no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// Foreign returns the path of a folder in testdata/foreign, written by another program.
func Foreign(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(root(t), "testdata", "foreign", filepath.FromSlash(name))
}

// TimmFolders returns the folders that timm wrote, each with expected.safetensors: the small ones of
// the checkout, and larger ones that may be next to it.
func TimmFolders(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, d := range []string{Foreign(t, "timm"), filepath.Join(root(t), "..", "shared", "golden_timm")} {
		found, err := filepath.Glob(filepath.Join(d, "*", "expected.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			all = append(all, filepath.Dir(f))
		}
	}
	return all
}

// Path finds a file. It skips the test if there is none.
func Path(t testing.TB, name string) string {
	t.Helper()
	for _, d := range dirs {
		p := filepath.Join(root(t), d, name)
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	t.Skipf("reference file %s is in none of %v", name, dirs)
	return ""
}

// Tensor is a tensor of a file, converted to float32.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Tensors reads a safetensors file.
func Tensors(t testing.TB, name string) map[string]Tensor {
	t.Helper()
	return TensorsOf(t, Path(t, name))
}

// TensorsOf is Tensors for a file by its path.
func TensorsOf(t testing.TB, name string) map[string]Tensor {
	t.Helper()
	f, size, err := disk.OpenSize(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, ts, err := safetensors.Read(f, size)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	out := map[string]Tensor{}
	for _, x := range ts {
		values := x.F32
		for _, n := range x.I64 {
			values = append(values, float32(n))
		}
		out[x.Name] = Tensor{x.Shape, values}
	}
	return out
}

// JSON reads a JSON file into v.
func JSON(t testing.TB, name string, v any) {
	t.Helper()
	raw, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// number returns r(name, seed, i) of the reference values' README, §1.
func number(name string, seed int) func(i int) uint64 {
	key := rng.Hash(fmt.Sprintf("%s#%d", name, seed))
	return func(i int) uint64 {
		z := key + uint64(i+1)*0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		return z ^ z>>31
	}
}

// Unit returns n numbers in [0, 1).
func Unit(name string, seed, n int) []float64 {
	r := number(name, seed)
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(r(i)>>40) / (1 << 24)
	}
	return out
}

// Image returns n multiples of 1/64 in [-2, 2).
func Image(name string, seed, n int) []float32 {
	r := number(name, seed)
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(int(r(i)>>56)-128) / 64
	}
	return out
}

// Labels returns n classes.
func Labels(seed, n, classes int) []int {
	out := make([]int, n)
	for i, u := range Unit("labels", seed, n) {
		out[i] = int(u * float64(classes))
	}
	return out
}

// Weight returns the value of a parameter or buffer.
func Weight(name string, seed int, shape []int) []float32 {
	n, fanIn := 1, 1
	for i, d := range shape {
		n *= d
		if i > 0 {
			fanIn *= d
		}
	}
	c, s := 0.0, math.Sqrt(3/float64(fanIn))
	switch {
	case strings.HasSuffix(name, "running_mean"):
		c, s = 0, 0.25
	case strings.HasSuffix(name, "running_var"):
		c, s = 1, 0.5
	case strings.HasSuffix(name, "pos_embed"),
		strings.HasSuffix(name, "cls_token"),
		strings.HasSuffix(name, "mask_token"):
		c, s = 0, 0.25
	case strings.HasSuffix(name, "relative_position_bias_table"):
		c, s = 0, 0.5
	case strings.Contains(name, "hog_enc.") && strings.HasSuffix(name, "conv.bias"):
		c, s = 0, 1.0/3
	case len(shape) == 1 && strings.HasSuffix(name, "bias"):
		c, s = 0, 0.125
	case len(shape) == 1:
		c, s = 1, 0.5
	case strings.HasSuffix(name, "mlp.3.weight"):
		s *= 0.5
	}
	out := make([]float32, n)
	for i, u := range Unit(name, seed, n) {
		out[i] = float32(c + s*(2*u-1))
	}
	return out
}

// ToNHWC reorders images from [batch, channels, height, width].
func ToNHWC(data []float32, batch, channels, height, width int) []float32 {
	out := make([]float32, len(data))
	pixels := height * width
	for b := range batch {
		for c := range channels {
			for p := range pixels {
				out[(b*pixels+p)*channels+c] = data[(b*channels+c)*pixels+p]
			}
		}
	}
	return out
}

// CheckRel fails unless max|got-want| is at most tol times max|want|.
func CheckRel(t testing.TB, name string, got, want []float32, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	var worst, scale float64
	at := 0
	for i, w := range want {
		d := math.Abs(float64(got[i]) - float64(w))
		if d > worst || math.IsNaN(d) {
			worst, at = d, i
		}
		scale = max(scale, math.Abs(float64(w)))
	}
	if !(worst <= tol*scale) {
		t.Errorf("%s: element %d is %v, want %v: off by %.2g of the largest, %.2g is allowed",
			name, at, got[at], want[at], worst/scale, tol)
	}
}
