package onnx_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fasternet/formats/onnx"
	"fasternet/internal/hostile"

	"google.golang.org/protobuf/encoding/protowire"
)

// This model adds a constant to its input.
func Example() {
	ir, err := onnx.IRVersion(13)
	if err != nil {
		fmt.Println(err)
		return
	}
	shape := []onnx.Dim{{Name: "batch"}, {Size: 2}}
	raw, err := onnx.Marshal(&onnx.Model{
		IRVersion: ir, Opset: 13, Producer: "example", Meta: map[string]string{"classes": "2"},
		Graph: onnx.Graph{
			Name:         "add",
			Nodes:        []onnx.Node{{Name: "sum", Op: "Add", Inputs: []string{"x", "c"}, Outputs: []string{"y"}}},
			Initializers: []onnx.Tensor{{Name: "c", Shape: []int{2}, F32: []float32{1, -1}}},
			Inputs:       []onnx.Value{{Name: "x", Type: onnx.Float32, Shape: shape}},
			Outputs:      []onnx.Value{{Name: "y", Type: onnx.Float32, Shape: shape}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := onnx.Unmarshal(raw)
	fmt.Println(m.Graph.Nodes[0].Op, m.Graph.Initializers[0].F32, err)
	// Output: Add [1 -1] <nil>
}

func sample() *onnx.Model {
	shape := []onnx.Dim{{Name: "batch"}, {Size: 3}, {Size: 0}}
	return &onnx.Model{
		IRVersion: 8, Opset: 17, Producer: "test", ProducerVersion: "1 ä", Meta: map[string]string{
			"a": "1", "b": "", "c": "line\nline",
		},
		Graph: onnx.Graph{
			Name: "g",
			Nodes: []onnx.Node{
				{
					Name: "n0", Op: "Conv", Inputs: []string{"x", "w", ""}, Outputs: []string{"y"},
					Attributes: []onnx.Attribute{
						onnx.Ints("pads", 0, 1, -1, 300), onnx.Int("group", -7),
						onnx.Float("alpha", -0.5),
					},
				},
				{Name: "n1", Op: "Relu", Inputs: []string{"y"}, Outputs: []string{"z"}},
			},
			Initializers: []onnx.Tensor{
				{Name: "w", Shape: []int{2, 3}, F32: []float32{1, 2, 3, -4, 5e-40, 6}},
				{Name: "s", Shape: []int{}, F32: []float32{7}},
				{Name: "i", Shape: []int{2}, I64: []int64{1 << 40, -1}},
				{Name: "e", Shape: []int{0, 4}, F32: []float32{}},
				{Name: "large", Shape: []int{20000}, F32: make([]float32, 20000)},
			},
			Inputs:  []onnx.Value{{Name: "x", Type: onnx.Float32, Shape: shape}},
			Outputs: []onnx.Value{{Name: "z", Type: onnx.Int64, Shape: shape[:1]}},
		},
	}
}

func marshal(t testing.TB, m *onnx.Model) []byte {
	t.Helper()
	raw, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRoundTrip(t *testing.T) {
	raw := marshal(t, sample())
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := onnx.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := sample(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if w, ok := got.Graph.Lookup("i"); !ok || w.I64[0] != 1<<40 {
		t.Errorf("Lookup: %v %v", w, ok)
	}
	if _, ok := got.Graph.Lookup("none"); ok {
		t.Error("an initializer that is not there is found")
	}
	for range 20 {
		if !bytes.Equal(marshal(t, sample()), raw) {
			t.Fatal("the bytes differ from one time to the next")
		}
	}
}

func TestWriteErrors(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(m *onnx.Model)
	}{
		{"initializer w has shape", func(m *onnx.Model) { m.Graph.Initializers[0].Shape = []int{7} }},
		{"initializer i has shape", func(m *onnx.Model) { m.Graph.Initializers[2].F32 = []float32{} }},
		{"initializer s has shape", func(m *onnx.Model) { m.Graph.Initializers[1].Shape = []int{-1, -1} }},
		{"two initializers are called", func(m *onnx.Model) { m.Graph.Initializers[1].Name = "w" }},
	} {
		t.Run(c.want, func(t *testing.T) {
			m := sample()
			c.change(m)
			if _, err := onnx.Marshal(m); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for _, opset := range []int{0, 12, 29} {
		if _, err := onnx.IRVersion(opset); err == nil {
			t.Errorf("opset %d is accepted", opset)
		}
	}
}

func bytesField(number protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), b)
}

func intField(number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Unknown lists the fields that the types cannot hold, except fields without meaning.
func TestUnknown(t *testing.T) {
	raw := marshal(t, sample())
	for _, c := range []struct {
		want  string
		extra []byte
	}{
		{"", bytesField(6, []byte("a remark"))},
		{"training_info", bytesField(20, nil)},
		{"functions", bytesField(25, nil)},
		{"field 99", intField(99, 1)},
		{
			"opset_import (operators of \"com.microsoft\")",
			bytesField(8, join(bytesField(1, []byte("com.microsoft")), intField(2, 1))),
		},
	} {
		t.Run(c.want, func(t *testing.T) {
			m, err := onnx.Unmarshal(join(raw, c.extra))
			if err != nil {
				t.Errorf("%s: %v", c.want, err)
				return
			}
			if got := strings.Join(m.Unknown, "|"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	graph := func(b ...[]byte) []byte { return join(intField(1, 8), bytesField(7, join(b...))) }
	node := func(b ...[]byte) []byte { return graph(bytesField(1, join(b...))) }
	attribute := func(b ...[]byte) []byte { return node(bytesField(5, join(b...))) }
	tensor := func(b ...[]byte) []byte { return graph(bytesField(5, join(b...))) }
	for _, test := range []struct {
		want string
		raw  []byte
	}{
		{"graph.sparse_initializer", graph(bytesField(15, nil))},
		{"graph.node.domain (an operator of \"ai.onnx.ml\")", node(bytesField(7, []byte("ai.onnx.ml")))},
		{"graph.node.attribute.g", attribute(bytesField(6, nil))},
		{"graph.node.attribute.s", attribute(bytesField(4, []byte("same")))},
		{
			"graph.initializer.external_data",
			tensor(intField(2, 1), intField(1, 0), bytesField(9, nil), bytesField(13, nil)),
		},
		{
			"graph.initializer (tensor \"\": type 16, or its",
			tensor(intField(2, 16), intField(1, 2), bytesField(9, make([]byte, 4))),
		},
		{
			"graph.initializer.float_data|graph.initializer (tenso",
			tensor(intField(2, 1), intField(1, 1), bytesField(4, make([]byte, 4))),
		},
		{
			"graph.initializer.data_location",
			tensor(intField(2, 1), intField(1, 0), bytesField(9, nil), intField(14, 1)),
		},
	} {
		t.Run(test.want, func(t *testing.T) {
			m, err := onnx.Unmarshal(test.raw)
			if err != nil {
				t.Errorf("%s: %v", test.want, err)
			} else if got := strings.Join(m.Unknown, "|"); !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if m, err := onnx.Unmarshal(graph(bytesField(13, []byte{}), bytesField(10, []byte("doc")))); err != nil ||
		m.Unknown != nil {
		t.Errorf("shapes of intermediate values: %v, %v", m.Unknown, err)
	}
	packed := attribute(bytesField(8, []byte{1, 2, 0xac, 2}))
	if m, err := onnx.Unmarshal(packed); err != nil || fmt.Sprint(m.Graph.Nodes[0].Attributes[0].Ints) != "[1 2 300]" {
		t.Errorf("packed integers: %v", err)
	}
}

func TestReadErrors(t *testing.T) {
	tensor := func(b ...[]byte) []byte { return join(intField(1, 8), bytesField(7, bytesField(5, join(b...)))) }
	huge := join(intField(1, 1<<31-1), intField(1, 1<<31-1), intField(1, 1<<31-1))
	for _, c := range []struct {
		want string
		raw  []byte
	}{
		{"no IR version or no graph", []byte{}},
		{"not an ONNX file", []byte("GIF89a and so on")},
		{"graph: it occurs twice", join(intField(1, 8), bytesField(7, nil), bytesField(7, nil))},
		{"graph: want a message", join(intField(1, 8), intField(7, 1))},
		{"producer_name: want text", bytesField(2, []byte{0xff, 0xfe})},
		{"ir_version: want an integer", bytesField(1, nil)},
		{
			"two versions of the default operator set",
			join(intField(1, 8), bytesField(8, intField(2, 13)), bytesField(8, intField(2, 14))),
		},
		{
			"metadata \"a\" occurs twice",
			join(bytesField(14, bytesField(1, []byte("a"))), bytesField(14, bytesField(1, []byte("a")))),
		},
		{"graph.initializer.dims: a dimension of -1", tensor(intField(1, 1<<64-1))},
		{
			"graph.initializer.raw_data: tensor \"\" has shape",
			tensor(huge, intField(2, 1), bytesField(9, make([]byte, 4))),
		},
		{"graph.initializer.raw_data: want bytes, once", tensor(bytesField(9, nil), bytesField(9, nil))},
		{"graph.initializer.dims: want packed integers", tensor(bytesField(1, []byte{0xff}))},
		{"more than 1048576", tensor(bytesField(1, make([]byte, 1<<20+1)))},
	} {
		t.Run(c.want, func(t *testing.T) {
			if m, err := onnx.Unmarshal(c.raw); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v %v, want %q", m, err, c.want)
			}
		})
	}
	whole := marshal(t, sample())
	for n := range 400 { // a file that is cut off is an error, or its start is complete
		if m, err := onnx.Unmarshal(whole[:n]); err == nil && len(m.Graph.Initializers) != 0 {
			t.Errorf("%d of %d bytes give a model", n, len(whole))
		}
	}
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none.onnx")} {
		if _, err := onnx.Read(path); err == nil {
			t.Errorf("%s is read", path)
		}
	}
}

// No bytes cause a panic. A model that was read can be written and read again.
func FuzzUnmarshal(f *testing.F) {
	small := sample()
	small.Graph.Initializers = small.Graph.Initializers[:4]
	whole := marshal(f, small)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(join(intField(1, 8), bytesField(7, bytesField(5, intField(1, 1<<62)))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m *onnx.Model
		var err error
		hostile.Bound(t, 1<<20+200*len(raw), func() { m, err = onnx.Unmarshal(raw) })
		if err != nil || m.Unknown != nil {
			return
		}
		again, err := onnx.Marshal(m)
		if err != nil {
			return // two initializers with one name, for example
		}
		if _, err := onnx.Unmarshal(again); err != nil {
			t.Errorf("what was read cannot be read again: %v", err)
		}
	})
}
