package onnxgraph

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"

	"fasternet/formats/onnx"
	"fasternet/graph"
)

// Check compares a file with the graph that Build makes of a model, and returns
// an error that names the first difference: then the file computes something
// else than the model. Values of parameters and buffers are not compared.
func Check(file *onnx.Model, m graph.Model) error {
	if len(file.Unknown) > 0 {
		return fmt.Errorf("it has a field %s, which this program does not write", file.Unknown[0])
	}
	if len(file.Graph.Inputs) != 1 || len(file.Graph.Inputs[0].Shape) != 4 {
		return fmt.Errorf("it has %d inputs, want one image [batch, channels, height, width]", len(file.Graph.Inputs))
	}
	shape := file.Graph.Inputs[0].Shape
	const side, area = 1 << 13, 1 << 24 // the tokens of an image are listed
	if h, w := shape[2].Size, shape[3].Size; min(h, w) < 1 || max(h, w) > side || h*w > area {
		return fmt.Errorf("its input is %d×%d pixels", shape[2].Size, shape[3].Size)
	}
	want, err := Build(m, Options{Opset: int(file.Opset), Height: int(shape[2].Size), Width: int(shape[3].Size)})
	if err != nil {
		return err
	}
	if file.IRVersion != want.IRVersion {
		return fmt.Errorf("its IR version is %d, want %d", file.IRVersion, want.IRVersion)
	}
	a, b := &file.Graph, &want.Graph
	if err := sameList("input", a.Inputs, b.Inputs); err != nil {
		return err
	}
	if err := sameList("output", a.Outputs, b.Outputs); err != nil {
		return err
	}
	if err := sameList("node", a.Nodes, b.Nodes); err != nil {
		return err
	}
	state := len(m.Store().Entries)
	return sameList("initializer", headers(a.Initializers, state), headers(b.Initializers, state))
}

// headers leaves the values of the first n tensors out.
func headers(ts []onnx.Tensor, n int) []onnx.Tensor {
	ts = slices.Clone(ts)
	for i := range ts[:min(n, len(ts))] {
		if ts[i].F32 != nil {
			ts[i].F32 = []float32{}
		}
	}
	return ts
}

func sameList[T any](what string, got, want []T) error {
	for i := range max(len(got), len(want)) {
		if i < min(len(got), len(want)) && reflect.DeepEqual(got[i], want[i]) {
			continue // at once, where a mask is long; otherwise nil and empty are to be the same
		}
		var a, b string
		if i < len(got) {
			a = fmt.Sprintf("%+v", got[i])
		}
		if i < len(want) {
			b = fmt.Sprintf("%+v", want[i])
		}
		if a != b {
			return fmt.Errorf("its %s %d is %.200s, want %.200s", what, i, orNothing(a), orNothing(b))
		}
	}
	return nil
}

func orNothing(s string) string {
	if s == "" {
		return "missing"
	}
	return s
}

// Checksum is a SHA-256 over names, shapes and values of all initializers.
func Checksum(g *onnx.Graph) string {
	h := sha256.New()
	buf := make([]byte, 0, 64<<10)
	for _, t := range g.Initializers {
		fmt.Fprintf(h, "%d:", len(t.Name))
		io.WriteString(h, t.Name)
		fmt.Fprintf(h, "%v%d,%d:", t.Shape, len(t.F32), len(t.I64))
		for part := range slices.Chunk(t.F32, 8<<10) {
			buf = buf[:0]
			for _, v := range part {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			}
			h.Write(buf)
		}
		for _, v := range t.I64 {
			h.Write(binary.LittleEndian.AppendUint64(buf[:0], uint64(v)))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
