package torch_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/internal/golden"
)

func ExampleRead() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "weights.safetensors")
	header := `{"module.stages.1.downsample.norm.bias":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`
	if err := os.WriteFile(path, container(header, "\x00\x3c\x00\xc0"), 0o644); err != nil {
		fmt.Println(err)
		return
	}
	s, err := torch.Read(path, torch.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	t := s.Tensors[0]
	fmt.Println(s.Container, t.Name, t.DType, t.Shape, t.F32)
	fmt.Println(torch.OfficialName("fasternet", torch.Timm, t.Name))
	// Output:
	// safetensors file stages.1.downsample.norm.bias float16 [2] [1 -2]
	// stages.1.norm.bias
}

func parse(raw []byte, o torch.Options) (*torch.State, error) {
	return torch.Parse(bytes.NewReader(raw), int64(len(raw)), o)
}

// Every container gives the weights of the formula, to the bit, or rounded if it has half
// precision.
func TestGoldenContainers(t *testing.T) {
	var want struct {
		StateDict [][2]any `json:"state_dict"`
	}
	golden.JSON(t, "fasternet_small_gelu.json", &want)
	for _, test := range []struct {
		name                string
		key, dtype, ignored string
	}{
		{"fasternet_small_gelu.pth", "", "float32", ""},
		{"fasternet_small_gelu_legacy.pth", "", "float32", ""},
		{"fasternet_small_gelu_half.pth", "", "float16", ""},
		{"fasternet_small_gelu_weights.safetensors", "", "float32", ""},
		{"fasternet_small_gelu_nested_model.pth", "model", "float32", "epoch args optimizer scaler argparse.Namespace"},
		{"fasternet_small_gelu_lightning.ckpt", "state_dict", "float32", "epoch global_step hyper_parameters"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := torch.Read(golden.Path(t, test.name), torch.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(s.Ignored, " "); s.Key != test.key || got != test.ignored {
				t.Errorf("read from key %q, ignored %s", s.Key, got)
			}
			if len(s.Tensors) != len(want.StateDict) {
				t.Fatalf("%d tensors, want %d", len(s.Tensors), len(want.StateDict))
			}
			for _, w := range want.StateDict {
				name := w[0].(string)
				i := slices.IndexFunc(s.Tensors, func(t formats.Tensor) bool { return t.Name == name })
				if i < 0 {
					t.Errorf("no tensor %s", name)
					continue
				}
				checkGolden(t, s.Tensors[i], w[1], test.dtype)
			}
		})
	}
}

func checkGolden(t *testing.T, got formats.Tensor, shape any, dtype string) {
	t.Helper()
	if fmt.Sprint(got.Shape) != fmt.Sprint(shape) {
		t.Errorf("%s has shape %v, want %v", got.Name, got.Shape, shape)
		return
	}
	if strings.HasSuffix(got.Name, "num_batches_tracked") {
		if got.DType != formats.Int64 || !got.Integer() || len(got.I64) != 1 || got.I64[0] != 0 {
			t.Errorf("%s is %v", got.Name, got)
		}
		return
	}
	if got.DType.String() != dtype || got.Integer() {
		t.Errorf("%s is of type %s, want %s", got.Name, got.DType, dtype)
	}
	want := golden.Weight(got.Name, 1, got.Shape)
	if len(want) != len(got.F32) {
		t.Fatalf("%s has %d values, want %d", got.Name, len(got.F32), len(want))
	}
	for i, w := range want {
		allowed := 0.0
		if dtype == "float16" {
			allowed = math.Abs(float64(w))/(1<<11) + 1.0/(1<<25)
		}
		if !(math.Abs(float64(got.F32[i])-float64(w)) <= allowed) {
			t.Errorf("%s[%d] = %v, want %v", got.Name, i, got.F32[i], w)
			return
		}
	}
}

// Views, strides, parameters and all types are read.
func TestGoldenOddLayouts(t *testing.T) {
	got, err := torch.Read(golden.Path(t, "pth_odd_layouts.pth"), torch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := torch.Read(golden.Path(t, "pth_odd_layouts.safetensors"), torch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Tensors) != 10 || len(want.Tensors) != 10 {
		t.Fatalf("%d and %d tensors, want 10", len(got.Tensors), len(want.Tensors))
	}
	for _, w := range want.Tensors {
		i := slices.IndexFunc(got.Tensors, func(t formats.Tensor) bool { return t.Name == w.Name })
		if i < 0 {
			t.Errorf("no tensor %s", w.Name)
			continue
		}
		g := got.Tensors[i]
		if w.Name == "bf16" {
			w.DType = formats.BFloat16
		}
		if fmt.Sprint(g) != fmt.Sprint(w) {
			t.Errorf("got %v, want %v", g, w)
		}
	}
}

// All floating types are read, on both sides of every case of half precision.
func TestTypes(t *testing.T) {
	for _, c := range []struct{ dtype, data, want string }{
		{
			"F16",
			"\x00\x3c\x00\xc0\x01\x00\xff\x03\x00\x04\xff\x7b\x00\x7c\x00\x80",
			"[1 -2 5.9604645e-08 6.097555e-05 6.1035156e-05 65504 +Inf -0]",
		},
		{"BF16", "\x80\x3f\x40\xc0", "[1 -3]"},
		{"F32", floats(1.5, -3), "[1.5 -3]"},
		{"F64", "\x00\x00\x00\x00\x00\x00\xf8\x3f", "[1.5]"},
		{"I8", "\xff\x02", "[-1 2]"},
		{"U8", "\xff\x02", "[255 2]"},
		{"BOOL", "\x00\x01", "[0 1]"},
		{"I16", "\xff\xff\x02\x00", "[-1 2]"},
		{"I32", "\xff\xff\xff\xff", "[-1]"},
		{"I64", "\xfe\xff\xff\xff\xff\xff\xff\xff", "[-2]"},
	} {
		sizes := map[string]int{
			"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1,
			"BOOL": 1,
		}
		header := fmt.Sprintf(`{"a":{"dtype":%q,"shape":[%d],"data_offsets":[0,%d]}}`,
			c.dtype, len(c.data)/sizes[c.dtype], len(c.data))
		s, err := parse(container(header, c.data), torch.Options{})
		if err != nil {
			t.Errorf("%s: %v", c.dtype, err)
			continue
		}
		got := fmt.Sprint(s.Tensors[0].F32)
		if s.Tensors[0].Integer() {
			got = fmt.Sprint(s.Tensors[0].I64)
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.dtype, got, c.want)
		}
	}
}

func TestMeta(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for _, c := range []struct{ content, want string }{
		{string(container(`{"__metadata__":{"a":"b"}}`, "")), "map[a:b] <nil>"},
		{string(container(`{"__metadata__":{"a":1}}`, "")), "its header"},
		{string(container(`{"x":{}}`, "")), "map[] <nil>"},
		{string(container(`{`, "")), "its header"},
		{"hello", "map[] <nil>"},
		{string(archive(t, pickled("N"), map[string]string{"0": "hello"})), "map[] <nil>"},
	} {
		t.Run(c.content, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			if m, err := torch.Meta(path); !strings.Contains(fmt.Sprint(m, err), c.want) {
				t.Errorf("%q: %v, %v", c.content, m, err)
			}
		})
	}
	if _, err := torch.Meta(path + ".none"); err == nil {
		t.Error("a file that is not there has no error")
	}
}
