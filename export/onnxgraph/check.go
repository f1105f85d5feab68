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

// OptionsOf returns the options with which a file was written. size is the side of the model's images,
// and pixels the normalisation in a graph for bytes: see [Options.Pixels].
func OptionsOf(file *onnx.Model, size int, pixels Pixels) (Options, error) {
	o := Options{Opset: int(file.Opset)}
	if len(file.Graph.Inputs) != 1 || len(file.Graph.Inputs[0].Shape) != 4 {
		return o, fmt.Errorf("it has %d inputs, want one image [batch, channels, height, width]",
			len(file.Graph.Inputs))
	}
	in := file.Graph.Inputs[0]
	h, w := in.Shape[2], in.Shape[3]
	if in.Type == onnx.Uint8 {
		o.Pixels, h, w = &pixels, in.Shape[1], in.Shape[2]
	}
	if o.Dynamic = h.Name != "" && w.Name != ""; o.Dynamic {
		h, w = onnx.Dim{Size: int64(size)}, onnx.Dim{Size: int64(size)}
	}
	const side, area = 1 << 13, 1 << 24 // a limit, because the tokens of an image are listed
	if min(h.Size, w.Size) < 1 || max(h.Size, w.Size) > side || h.Size*w.Size > area {
		return o, fmt.Errorf("its input is %d×%d pixels", h.Size, w.Size)
	}
	o.Height, o.Width = int(h.Size), int(w.Size)
	if len(file.Graph.Outputs) == 1 && file.Graph.Outputs[0].Name == FeaturesOutput {
		if o.Features = file.Meta[FeaturesMeta]; o.Features == "" {
			return o, fmt.Errorf("its metadata do not name its features (%s)", FeaturesMeta)
		}
	}
	o.Half = slices.ContainsFunc(file.Graph.Initializers, func(t onnx.Tensor) bool { return t.Type == onnx.Float16 })
	return o, nil
}

// Check is CheckAs for a graph of one size, with normalised images.
func Check(file *onnx.Model, m graph.Model) error {
	o, err := OptionsOf(file, 0, Pixels{})
	if err != nil {
		return err
	}
	return CheckAs(file, m, o)
}

// CheckAs compares a file with the graph that Build makes of a model with the options from OptionsOf.
// It returns an error that names the first difference: then the file computes something else than the
// model. It does not compare values of parameters and buffers.
func CheckAs(file *onnx.Model, m graph.Model, o Options) error {
	if len(file.Unknown) > 0 {
		return fmt.Errorf("it has a field %s, which this program does not write", file.Unknown[0])
	}
	want, err := Build(m, o)
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
	state := StateLen(&want.Graph, m)
	return sameList("initializer", headers(a.Initializers, state), headers(b.Initializers, state))
}

// StateLen returns how many of the initializers of a graph are the state of a model. They come first.
func StateLen(g *onnx.Graph, m graph.Model) (n int) {
	for n < len(g.Initializers) {
		if _, ok := m.Store().Lookup(g.Initializers[n].Name); !ok {
			break
		}
		n++
	}
	return n
}

// headers drops the values of the first n tensors.
func headers(ts []onnx.Tensor, n int) []onnx.Tensor {
	ts = slices.Clone(ts)
	for i := range ts[:min(n, len(ts))] {
		if ts[i].F32 != nil {
			ts[i].F32 = []float32{}
		}
		if ts[i].Raw != nil {
			ts[i].Raw = []byte{}
		}
	}
	return ts
}

func sameList[T any](what string, got, want []T) error {
	for i := range max(len(got), len(want)) {
		if i < min(len(got), len(want)) && reflect.DeepEqual(got[i], want[i]) {
			continue // the quick way for long masks; below, nil and empty count as the same
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

// Checksum returns a SHA-256 over names, shapes and values of all initializers, and over more: the values
// in the metadata that the model also computes with, or "".
func Checksum(g *onnx.Graph, more string) string {
	h := sha256.New()
	io.WriteString(h, more)
	buf := make([]byte, 0, 64<<10)
	for _, t := range g.Initializers {
		fmt.Fprintf(h, "%d:", len(t.Name))
		io.WriteString(h, t.Name)
		fmt.Fprintf(h, "%v%d,%d:", t.Shape, len(t.F32), len(t.I64))
		if t.Raw != nil {
			fmt.Fprintf(h, "%d,%d:", t.Type, len(t.Raw))
			h.Write(t.Raw)
		}
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
