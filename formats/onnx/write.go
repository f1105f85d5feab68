package onnx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxBytes is the size that Protocol Buffers allow for a file.
const maxBytes = math.MaxInt32

// Marshal encodes a model.
func Marshal(m *Model) ([]byte, error) {
	var b bytes.Buffer
	if err := Write(&b, m); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Write encodes a model. It encodes the values of tensors as it writes them, so that they are in
// memory only once.
func Write(w io.Writer, m *Model) error {
	e, err := m.encode()
	if err != nil {
		return err
	}
	if e.size > maxBytes {
		return fmt.Errorf("onnx: the model takes %d bytes, the format allows %d", e.size, maxBytes)
	}
	for _, p := range e.parts {
		if err := p.write(w); err != nil {
			return err
		}
	}
	return nil
}

// message is an encoded message. Its tensors are not encoded yet.
type message struct {
	parts []part
	size  int
}

// part is bytes, or the values of a tensor.
type part struct {
	bytes  []byte
	tensor *Tensor
}

func (p part) write(w io.Writer) error {
	if p.tensor == nil {
		_, err := w.Write(p.bytes)
		return err
	}
	if p.tensor.Raw != nil {
		_, err := w.Write(p.tensor.Raw)
		return err
	}
	const most = 8 << 10 // values at a time
	buf := make([]byte, 0, 8*most)
	for f := p.tensor.F32; len(f) > 0; f = f[min(most, len(f)):] {
		buf = buf[:0]
		for _, v := range f[:min(most, len(f))] {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	for f := p.tensor.I64; len(f) > 0; f = f[min(most, len(f)):] {
		buf = buf[:0]
		for _, v := range f[:min(most, len(f))] {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(v))
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// append adds bytes.
func (m *message) append(add func(b []byte) []byte) {
	if n := len(m.parts); n == 0 || m.parts[n-1].tensor != nil {
		m.parts = append(m.parts, part{})
	}
	last := &m.parts[len(m.parts)-1]
	before := len(last.bytes)
	last.bytes = add(last.bytes)
	m.size += len(last.bytes) - before
}

func (m *message) int(field protowire.Number, v int64) {
	m.append(func(b []byte) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
	})
}

func (m *message) float(field protowire.Number, v float32) {
	m.append(func(b []byte) []byte {
		return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), math.Float32bits(v))
	})
}

func (m *message) text(field protowire.Number, s string) {
	m.append(func(b []byte) []byte {
		return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
	})
}

// begin starts a field of n bytes.
func (m *message) begin(field protowire.Number, n int) {
	m.append(func(b []byte) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(n))
	})
}

func (m *message) embed(field protowire.Number, sub message) {
	m.begin(field, sub.size)
	for _, p := range sub.parts {
		if p.tensor == nil {
			m.append(func(b []byte) []byte { return append(b, p.bytes...) })
			continue
		}
		m.parts = append(m.parts, p)
		m.size += p.tensor.bytes()
	}
}

func (m *Model) encode() (message, error) {
	var e message
	e.int(1, m.IRVersion)
	e.text(2, m.Producer)
	e.text(3, m.ProducerVersion)
	g, err := m.Graph.encode()
	if err != nil {
		return message{}, err
	}
	e.embed(7, g)
	var opset message
	opset.text(1, "")
	opset.int(2, m.Opset)
	e.embed(8, opset)
	for _, k := range slices.Sorted(maps.Keys(m.Meta)) {
		var p message
		p.text(1, k)
		p.text(2, m.Meta[k])
		e.embed(14, p)
	}
	return e, nil
}

func (g *Graph) encode() (message, error) {
	var e message
	for _, n := range g.Nodes {
		node, err := n.encode()
		if err != nil {
			return message{}, err
		}
		e.embed(1, node)
	}
	e.text(2, g.Name)
	names := map[string]bool{}
	for i := range g.Initializers {
		t, err := g.Initializers[i].encode()
		if err != nil {
			return message{}, err
		}
		if name := g.Initializers[i].Name; names[name] {
			return message{}, fmt.Errorf("onnx: two initializers are called %s", name)
		}
		names[g.Initializers[i].Name] = true
		e.embed(5, t)
	}
	for _, v := range g.Inputs {
		e.embed(11, v.encode())
	}
	for _, v := range g.Outputs {
		e.embed(12, v.encode())
	}
	return e, nil
}

func (n *Node) encode() (message, error) {
	var e message
	for _, s := range n.Inputs {
		e.text(1, s)
	}
	for _, s := range n.Outputs {
		e.text(2, s)
	}
	e.text(3, n.Name)
	e.text(4, n.Op)
	for _, a := range n.Attributes {
		attribute, err := a.encode()
		if err != nil {
			return message{}, fmt.Errorf("onnx: node %s: %w", n.Name, err)
		}
		e.embed(5, attribute)
	}
	return e, nil
}

func (a *Attribute) encode() (message, error) {
	var e message
	e.text(1, a.Name)
	switch a.Type {
	case FloatAttribute:
		e.float(2, a.Float)
	case IntAttribute:
		e.int(3, a.Int)
	case IntsAttribute:
		for _, v := range a.Ints {
			e.int(8, v)
		}
	default:
		return message{}, fmt.Errorf("attribute %s is of type %d, which cannot be written", a.Name, a.Type)
	}
	e.int(20, int64(a.Type))
	return e, nil
}

// bytes returns the length of the values.
func (t *Tensor) bytes() int { return 4*len(t.F32) + 8*len(t.I64) + len(t.Raw) }

func (t *Tensor) encode() (message, error) {
	n, ok := sizeOf(t.Shape)
	typ, kinds := t.Type, 0
	for _, k := range []struct {
		typ   ElemType
		there bool
	}{
		{Float32, t.F32 != nil},
		{Int64, t.I64 != nil},
		{t.Type, t.Raw != nil},
	} {
		if k.there {
			typ = k.typ
			kinds++
		}
	}
	if !ok || kinds != 1 || n*sizes[typ] != t.bytes() {
		return message{}, fmt.Errorf("onnx: initializer %s has shape %v, "+
			"%d float32 and %d int64 values, and %d bytes of other types",
			t.Name, t.Shape, len(t.F32), len(t.I64), len(t.Raw))
	}
	var e message
	for _, d := range t.Shape {
		e.int(1, int64(d))
	}
	e.int(2, int64(typ))
	e.text(8, t.Name)
	e.begin(9, t.bytes())
	e.parts = append(e.parts, part{tensor: t})
	e.size += t.bytes()
	return e, nil
}

func (v *Value) encode() message {
	var shape message
	for _, d := range v.Shape {
		var dim message
		if d.Name != "" {
			dim.text(2, d.Name)
		} else {
			dim.int(1, d.Size)
		}
		shape.embed(1, dim)
	}
	var tensor, typ, e message
	tensor.int(1, int64(v.Type))
	tensor.embed(2, shape)
	typ.embed(1, tensor)
	e.text(1, v.Name)
	e.embed(2, typ)
	return e
}
