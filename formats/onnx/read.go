package onnx

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"fasternet/internal/disk"

	"google.golang.org/protobuf/encoding/protowire"
)

// Read reads a file.
func Read(path string) (*Model, error) {
	f, err := disk.Open(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxBytes {
		return nil, fmt.Errorf("onnx: %s: want a file of at most %d bytes", path, maxBytes)
	}
	raw := make([]byte, info.Size())
	if _, err := io.ReadFull(f, raw); err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	m, err := Unmarshal(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Unmarshal decodes a model. Strings and tensors do not share memory with raw.
func Unmarshal(raw []byte) (*Model, error) {
	d := &decoder{}
	m := &Model{Meta: map[string]string{}}
	if err := d.model(m, raw); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	m.Unknown = d.unknown
	return m, nil
}

func (d *decoder) model(m *Model, raw []byte) error {
	seen := map[protowire.Number]bool{}
	err := d.message(nil, modelFields, raw, func(f *field) (bool, error) {
		if seen[f.number] && f.number != 8 && f.number != 14 {
			return true, f.errorf("it occurs twice")
		}
		seen[f.number] = true
		switch f.number {
		case 1:
			return f.int(&m.IRVersion)
		case 2:
			return f.text(&m.Producer)
		case 3:
			return f.text(&m.ProducerVersion)
		case 4, 5, 6: // domain, version, documentation: no effect on the computation
			return true, nil
		case 7:
			return f.sub(graphFields, m.Graph.field)
		case 8:
			return f.opset(m)
		case 14:
			return f.property(m.Meta)
		}
		return false, nil
	})
	if err == nil && (!seen[1] || !seen[7]) {
		return fmt.Errorf("no IR version or no graph: not an ONNX model")
	}
	return err
}

func (f *field) opset(m *Model) (bool, error) {
	var domain string
	var version int64
	known, err := f.sub(opsetFields, func(f *field) (bool, error) {
		switch f.number {
		case 1:
			return f.text(&domain)
		case 2:
			return f.int(&version)
		}
		return false, nil
	})
	switch {
	case err != nil:
		return known, err
	case domain != "" && domain != "ai.onnx":
		f.skip(fmt.Sprintf(" (operators of %q)", domain))
	case m.Opset != 0:
		return true, f.errorf("two versions of the default operator set")
	default:
		m.Opset = version
	}
	return true, nil
}

func (f *field) property(meta map[string]string) (bool, error) {
	var key, value string
	known, err := f.sub(propertyFields, func(f *field) (bool, error) {
		switch f.number {
		case 1:
			return f.text(&key)
		case 2:
			return f.text(&value)
		}
		return false, nil
	})
	if err != nil {
		return known, err
	}
	if _, ok := meta[key]; ok {
		return true, f.errorf("metadata %q occurs twice", key)
	}
	meta[key] = value
	return true, nil
}

func (g *Graph) field(f *field) (bool, error) {
	switch f.number {
	case 1:
		g.Nodes = append(g.Nodes, Node{})
		return f.sub(nodeFields, g.Nodes[len(g.Nodes)-1].field)
	case 2:
		return f.text(&g.Name)
	case 5:
		t, err := f.tensor()
		g.Initializers = append(g.Initializers, t)
		return true, err
	case 10, 13: // documentation, shapes of intermediate values
		return true, nil
	case 11:
		g.Inputs = append(g.Inputs, Value{})
		return f.sub(valueFields, g.Inputs[len(g.Inputs)-1].field)
	case 12:
		g.Outputs = append(g.Outputs, Value{})
		return f.sub(valueFields, g.Outputs[len(g.Outputs)-1].field)
	}
	return false, nil
}

func (n *Node) field(f *field) (bool, error) {
	switch f.number {
	case 1:
		return f.texts(&n.Inputs)
	case 2:
		return f.texts(&n.Outputs)
	case 3:
		return f.text(&n.Name)
	case 4:
		return f.text(&n.Op)
	case 5:
		n.Attributes = append(n.Attributes, Attribute{})
		return f.sub(attributeFields, n.Attributes[len(n.Attributes)-1].field)
	case 6: // documentation
		return true, nil
	case 7:
		var domain string
		if known, err := f.text(&domain); err != nil || domain == "" || domain == "ai.onnx" {
			return known, err
		}
		f.skip(fmt.Sprintf(" (an operator of %q)", domain))
		return true, nil
	}
	return false, nil
}

func (a *Attribute) field(f *field) (bool, error) {
	switch f.number {
	case 1:
		return f.text(&a.Name)
	case 2:
		return f.float(&a.Float)
	case 3:
		return f.int(&a.Int)
	case 8:
		return f.ints(&a.Ints)
	case 13:
		return true, nil
	case 20:
		var typ int64
		known, err := f.int(&typ)
		a.Type = AttributeType(typ)
		return known, err
	}
	return false, nil
}

func (v *Value) field(f *field) (bool, error) {
	switch f.number {
	case 1:
		return f.text(&v.Name)
	case 2:
		return f.sub(typeFields, func(f *field) (bool, error) {
			if f.number != 1 {
				return f.number == 6, nil // 6: a remark on the meaning
			}
			return f.sub(tensorTypeFields, v.tensorType)
		})
	case 3:
		return true, nil
	}
	return false, nil
}

func (v *Value) tensorType(f *field) (bool, error) {
	switch f.number {
	case 1:
		var typ int64
		known, err := f.int(&typ)
		v.Type = ElemType(typ)
		return known, err
	case 2:
		return f.sub(shapeFields, func(f *field) (bool, error) {
			if f.number != 1 {
				return false, nil
			}
			v.Shape = append(v.Shape, Dim{})
			dim := &v.Shape[len(v.Shape)-1]
			return f.sub(dimFields, func(f *field) (bool, error) {
				switch f.number {
				case 1:
					return f.int(&dim.Size)
				case 2:
					return f.text(&dim.Name)
				}
				return f.number == 3, nil // 3: a remark on the meaning
			})
		})
	}
	return false, nil
}

// tensor decodes an initializer. Its values are in raw_data, where every exporter puts them.
func (f *field) tensor() (Tensor, error) {
	t := Tensor{Shape: []int{}}
	var typ int64
	var raw *field
	_, err := f.sub(tensorFields, func(f *field) (bool, error) {
		switch f.number {
		case 1:
			var dims []int64
			known, err := f.ints(&dims)
			for _, d := range dims {
				if d < 0 || d > math.MaxInt32 {
					return true, f.errorf("a dimension of %d", d)
				}
				t.Shape = append(t.Shape, int(d))
			}
			return known, err
		case 2:
			return f.int(&typ)
		case 8:
			return f.text(&t.Name)
		case 9:
			if f.typ != protowire.BytesType || raw != nil {
				return true, f.errorf("want bytes, once")
			}
			raw = f
			return true, nil
		case 12: // documentation
			return true, nil
		case 14: // where the values are: 0 means in this file
			var where int64
			known, err := f.int(&where)
			return known && where == 0, err
		}
		return false, nil
	})
	if err != nil {
		return t, err
	}
	width := sizes[ElemType(typ)]
	if raw == nil || width == 0 {
		f.skip(fmt.Sprintf(" (tensor %q: type %d, or its values are elsewhere)", t.Name, typ))
		return t, nil
	}
	if size, ok := sizeOf(t.Shape); !ok || size*width != len(raw.b) {
		return t, raw.errorf("tensor %q has shape %v and %d bytes", t.Name, t.Shape, len(raw.b))
	}
	if ElemType(typ) == Float32 {
		t.F32 = make([]float32, len(raw.b)/4)
		for i := range t.F32 {
			t.F32[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw.b[4*i:]))
		}
		return t, nil
	}
	if ElemType(typ) != Int64 {
		t.Type, t.Raw = ElemType(typ), append([]byte{}, raw.b...)
		return t, nil
	}
	t.I64 = make([]int64, len(raw.b)/8)
	for i := range t.I64 {
		t.I64[i] = int64(binary.LittleEndian.Uint64(raw.b[8*i:]))
	}
	return t, nil
}
