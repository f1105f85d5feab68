package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fasternet/formats"
	"fasternet/formats/safetensors"
	"fasternet/internal/golden"
	"fasternet/internal/hostile"

	library "github.com/nlpodyssey/safetensors"
)

func ExampleWrite() {
	var file bytes.Buffer
	err := safetensors.Write(&file, map[string]string{"format": "pt"}, []formats.Tensor{
		{Name: "w", Shape: []int{2, 1}, F32: []float32{1, 2}},
		{Name: "n", Shape: []int{}, I64: []int64{3}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	meta, ts, err := safetensors.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	fmt.Println(meta, err)
	for _, t := range ts {
		fmt.Println(t.Name, t.DType, t.Shape, t.F32, t.I64)
	}
	// Output:
	// map[format:pt] <nil>
	// n int64 [] [] [3]
	// w float32 [2 1] [1 2] []
}

// file is a file with that header and this many bytes of values.
func file(header string, values int) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	out = append(out, header...)
	for i := range values {
		out = append(out, byte(i))
	}
	return out
}

// What is not a whole file, and what is said of it.
func TestReadLayout(t *testing.T) {
	for _, c := range []struct {
		raw  []byte
		want string // "" for a complete file
	}{
		{file(`{}`, 0), ""},
		{file(`{"__metadata__":{"a":"b"}}   `, 0), ""},
		{file(`{"__metadata__":null,"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4), ""},
		{
			file(`{"b":{"dtype":"I64","shape":[1],"data_offsets":[4,12]},`+
				`"a":{"shape":[2],"data_offsets":[0,4],"dtype":"BF16"},`+
				`"c":{"dtype":"F64","shape":[0,7],"data_offsets":[4,4]}}`, 12),
			"",
		},
		{file(`{"a":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]}}`, 3), ""},
		{nil, "it is cut off: 0 bytes"},
		{[]byte("1234567"), "it is cut off: 7 bytes"},
		{file(`{}`, 0)[:9], "cut off in its header: a header of 2 bytes"},
		{binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "a header of 18446744073709551615 bytes"},
		{file(``, 0), "its header is damaged"},
		{file(`[]`, 0), "its header is damaged: want an object"},
		{file(`{`, 0), "its header is damaged"},
		{file(`{}{}`, 0), "more after the object"},
		{file(`{}x`, 0), "its header is damaged"},
		{file(`{"__metadata__":{"a":1}}`, 0), "its header is damaged: its metadata"},
		{file(`{"a":7}`, 0), "tensor a: its entry in the header: want"},
		{file(`{"a":{}}`, 0), "tensor a: its entry in the header: want"},
		{
			file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}`, 4),
			"tensor a: its entry in the header: want",
		},
		{
			file(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}`, 4),
			"tensor a: its entry in the header: want",
		},
		{
			file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, 4),
			"tensor a: its entry in the header: want",
		},
		{file(`{"a":{"Dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), "tensor a: its entry in the header: want"},
		{file(`{"a":{"dtype":"F32","shapE":[1],"data_offsets":[0,4]}}`, 4), "tensor a: its entry in the header: want"},
		{file(`{"a":{"dtype":"F32","shape":[1],"data_Offsets":[0,4]}}`, 4), "tensor a: its entry in the header: want"},
		{file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4), "tensor a: shape [-1]: want sizes from 0"},
		{file(`{"a":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}`, 0), "want sizes from 0"},
		{
			file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4),
			"tensor a: bytes 4 to 0 are not part of a file",
		},
		{file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 4), "tensor a: bytes -4 to 0"},
		{
			file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}`, 4),
			"tensor a: bytes 0 to 9223372036854775807",
		},
		{file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}`, 8), "it is cut off: 71 bytes of 75"},
		{file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 6), "there are 2 bytes too many at its end"},
		{
			file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4),
			"tensor a: shape [2]: there are only 1 values of F32",
		},
		{
			file(`{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,4]}}`, 4),
			"tensor a: shape [1]: want 2 bytes of F16, got 4",
		},
		{
			file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},`+
				`"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12),
			"tensor b: its values begin at byte",
		},
		{
			file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},`+
				`"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12),
			"before others end",
		},
		{
			file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},`+
				`"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
			"tensor a: there are two of that name",
		},
	} {
		l, err := safetensors.ReadLayout(bytes.NewReader(c.raw), int64(len(c.raw)))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, %v; want an error with %q", c.raw, l, err, c.want)
		}
	}
	raw := file(`{"a":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]}}`, 3)
	if _, _, err := safetensors.Read(bytes.NewReader(raw), int64(len(raw))); err == nil ||
		!strings.Contains(err.Error(), "tensor a: it is of type F8_E4M3, which is not supported") {
		t.Errorf("a type that cannot be read: %v", err)
	}
}

// Examine reads on to the end. It lists all tensors with problems, and says where the others are.
func TestExamine(t *testing.T) {
	raw := file(`{"__metadata__":{"k":"v"},`+
		`"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},`+
		`"b":{"dtype":"F32","shape":[5],"data_offsets":[4,12]},`+
		`"c":5,`+
		`"d":{"dtype":"I64","shape":[1],"data_offsets":[16,24]},`+
		`"e":{"dtype":"F32","shape":[4],"data_offsets":[24,40]}}`, 30)
	l, err := safetensors.Examine(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	var problems []string
	for _, p := range l.Problems {
		problems = append(problems, p.Error())
	}
	all := strings.Join(problems, "\n")
	for _, want := range []string{"tensor b: shape [5]", "tensor c: its entry", "tensor d: its values begin"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not among %q", want, problems)
		}
	}
	if len(problems) != 3 || len(l.Tensors) != 4 || l.Meta["k"] != "v" || l.End != l.Start+40 ||
		l.Size != int64(len(raw)) {
		t.Errorf("%+v", l)
	}
	many := `{`
	for i := range 1000 {
		many += fmt.Sprintf(`"%d":0,`, i)
	}
	raw = file(strings.TrimSuffix(many, ",")+"}", 0)
	if l, err := safetensors.Examine(bytes.NewReader(raw), int64(len(raw))); err != nil || len(l.Problems) != 100 {
		t.Errorf("%d problems, %v", len(l.Problems), err)
	}
}

// The library and this package read the same values from a file, for each type.
func TestAsTheLibrary(t *testing.T) {
	sizes := map[string]int{
		"F16": 2, "BF16": 2, "F32": 4, "F64": 8,
		"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "I32": 4, "I64": 8,
	}
	header, at := `{"__metadata__":{"text":"ä\n"},`, 0
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		n := 6 * sizes[name]
		header += fmt.Sprintf(`"x.%s":{"dtype":%q,"shape":[2,3],"data_offsets":[%d,%d]},`, name, name, at, at+n)
		at += n
	}
	raw := file(strings.TrimSuffix(header, ",")+"}", at)
	want, err := library.Deserialize(raw)
	if err != nil {
		t.Fatal(err)
	}
	meta, ts, err := safetensors.Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil || len(ts) != want.Len() || meta["text"] != "ä\n" {
		t.Fatalf("%d tensors, metadata %v, %v", len(ts), meta, err)
	}
	for _, x := range ts {
		v, ok := want.Tensor(x.Name)
		if !ok || !slices.Equal(x.Shape, []int{2, 3}) {
			t.Errorf("%s: %v", x.Name, x)
			continue
		}
		for i := range 6 {
			y := x.DType.Make("", nil, 1)
			x.DType.Set(y, 0, v.Data()[i*x.DType.Size():])
			if x.DType.Integer() && x.I64[i] != y.I64[0] || !x.DType.Integer() &&
				math.Float32bits(x.F32[i]) != math.Float32bits(y.F32[0]) {
				t.Errorf("%s: value %d is %v %v, the library has %v %v", x.Name, i, x.F32, x.I64, y.F32, y.I64)
			}
		}
	}
}

// Write writes the same bytes as the library, and Read reads them.
func TestWrite(t *testing.T) {
	ts := []formats.Tensor{
		{Name: "b", Shape: []int{2, 2}, F32: []float32{1, 2, float32(math.Inf(1)), 4}},
		{Name: "a<&>", DType: formats.BFloat16, Shape: []int{1}, F32: []float32{7}}, // it has become float32
		{Name: "n", Shape: []int{1}, I64: []int64{-1}},
		{Name: "none", Shape: []int{0, 3}, F32: []float32{}},
	}
	meta := map[string]string{"z": "1", "a": `{"b":"c"}`}
	var got bytes.Buffer
	if err := safetensors.Write(&got, meta, ts); err != nil {
		t.Fatal(err)
	}
	views := map[string]library.TensorView{}
	for _, x := range ts {
		d := library.F32
		if x.I64 != nil {
			d = library.I64
		}
		shape := make([]uint64, len(x.Shape))
		for i, n := range x.Shape {
			shape[i] = uint64(n)
		}
		v, err := library.NewTensorView(d, shape, x.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		views[x.Name] = v
	}
	want, err := library.Serialize(views, meta)
	if err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%q\n%q, %v", got.Bytes(), want, err)
	}
	back, read, err := safetensors.Read(bytes.NewReader(want), int64(len(want)))
	if err != nil || !maps.Equal(back, meta) {
		t.Errorf("metadata %v, %v", back, err)
	}
	for _, x := range ts {
		i := slices.IndexFunc(read, func(y formats.Tensor) bool { return y.Name == x.Name })
		if i < 0 || !slices.Equal(read[i].F32, x.F32) || !slices.Equal(read[i].I64, x.I64) ||
			!slices.Equal(read[i].Shape, x.Shape) {
			t.Errorf("%v became %v", x, read)
		}
	}
	for n := range want {
		if _, _, err := safetensors.Read(bytes.NewReader(want[:n]), int64(n)); err == nil {
			t.Errorf("the first %d of %d bytes are read", n, len(want))
		}
	}
	for _, bad := range [][]formats.Tensor{
		{{Name: "a", Shape: []int{2}, F32: []float32{1}}},
		{ts[0], ts[0]},
		{{Name: "__metadata__", Shape: []int{1}, F32: []float32{1}}},
	} {
		if err := safetensors.Write(&got, nil, bad); err == nil {
			t.Errorf("%v is written", bad)
		}
	}
}

// This package reads every file that the library reads, also from other programs.
func TestGolden(t *testing.T) {
	path := golden.Path(t, "pth_odd_layouts.safetensors")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := library.Deserialize(raw)
	if err != nil {
		t.Fatal(err)
	}
	l, err := safetensors.ReadLayout(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range l.Tensors {
		names = append(names, x.Name)
		if v, ok := want.Tensor(x.Name); !ok || !reflect.DeepEqual(v.Data(), raw[x.From:x.To]) ||
			v.DType().String() != x.Type {
			t.Errorf("%s: %+v", x.Name, x)
		}
	}
	if got := want.Names(); len(names) != len(got) {
		t.Errorf("%v, the library has %v", names, got)
	}
}

// No bytes make the reader panic, use memory out of proportion, or return a tensor without its
// values.
func FuzzParse(f *testing.F) {
	for _, header := range []string{
		`{}`, `{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`,
		`{"w":{"dtype":"F32","shape":[0,9223372036854775808],"data_offsets":[0,0]}}`,
		`{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`,
		`{"w":{"dtype":"BOOL","shape":[8],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`,
		`{"":0,"a":{},"b":{"dtype":5},"c":[[[[]]]],"d":null}`,
	} {
		f.Add(file(header, 8))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, size := bytes.NewReader(raw), int64(len(raw))
		var ts []formats.Tensor
		var err, tolerant error
		hostile.Bound(t, 1<<20+200*len(raw), func() { _, ts, err = safetensors.Read(r, size) })
		hostile.Bound(t, 1<<20+200*len(raw), func() { _, tolerant = safetensors.Examine(r, size) })
		if err != nil {
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
				t.Errorf("the error is not a line: %q", err)
			}
			return
		}
		if tolerant != nil {
			t.Fatalf("Examine: %v", tolerant)
		}
		values := 0
		for _, x := range ts {
			if n := len(x.F32) + len(x.I64); n != x.Size() {
				t.Fatalf("tensor %q of shape %v has %d values", x.Name, x.Shape, n)
			}
			values += x.Size()
		}
		if values > len(raw) {
			t.Fatalf("%d values in %d bytes", values, len(raw))
		}
	})
}
